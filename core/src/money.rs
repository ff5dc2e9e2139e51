//! Amounts, currencies, rates and the three roundings (domain.md, "Money").

use rkyv::{Archive, Deserialize, Serialize};

/// The largest amount in a request, in minor units; the smallest is 1.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// An ISO 4217 code: three capital letters.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Currency(pub [u8; 3]);

/// An exact rate in millionths: `0.006` is 6,000. At most 1.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
pub struct Rate(pub u32);

/// How a fee that falls between two minor units becomes one of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rounding {
    /// 四舍五入: half away from zero.
    #[default]
    HalfUp,
    /// 四舍六入五成双: half to the even neighbour.
    HalfEven,
    /// 截取: cut off.
    Down,
}
