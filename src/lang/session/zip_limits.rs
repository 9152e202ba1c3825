//! How much a zip source may ask for.

/// How much a zip source may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Most entries. Default 1,000,000.
    pub entries: u64,
    /// Most bytes in all. Default 64 GiB.
    pub bytes: u64,
    /// Most bytes for each byte of the zip, once they are more than 64 MiB. Default 200.
    pub ratio: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        UnpackLimits {
            entries: 1_000_000,
            bytes: 64 << 30,
            ratio: 200,
        }
    }
}
