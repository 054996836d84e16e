//! dpkg
