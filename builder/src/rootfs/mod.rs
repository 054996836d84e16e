//! rootfs

pub mod deb;
