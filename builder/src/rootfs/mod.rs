//! rootfs/mod
