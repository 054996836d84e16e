//! Why a path is in or out of a module.
