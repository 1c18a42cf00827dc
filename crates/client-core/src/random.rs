//! A small generator for jitter (SplitMix64), seeded from outside. Not for secrets.

#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `limit`, both included, evenly enough for jitter.
    pub(crate) fn up_to(&mut self, limit: u32) -> u32 {
        (((self.next() >> 32) * (u64::from(limit) + 1)) >> 32) as u32
    }
}
