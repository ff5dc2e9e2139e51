//! Alipay's table of business details.
