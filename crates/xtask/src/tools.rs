//! What has to be on a machine before something can be built or tested, and how it gets there. Knows
//! nothing of what the tools are used for.

pub(crate) mod apt;
pub(crate) mod browsers;
pub(crate) mod cargo_tools;
mod debian_toolchain;
pub(crate) mod node;
pub(crate) mod proxies;
pub(crate) mod python_tools;
pub(crate) mod wasm_toolchain;
