//! The merchants that there were when a day was cut.

use std::collections::BTreeMap;

use suanpan_core::{Currency, MerchantId};

use crate::group::Names;
use crate::manifest::{DayError, Manifest};
use crate::store::Store;
use crate::table::{Table, merchants};

/// What a statement or a bank has to know of a merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantFacts {
    /// As it was given; any text.
    pub name: String,
    /// What it is paid in.
    pub currency: Currency,
    /// Whether its fees are billed by the month.
    pub is_gross: bool,
}

/// Merchants by id.
pub type Merchants = BTreeMap<MerchantId, MerchantFacts>;

/// All merchants of a day.
///
/// # Errors
/// When the day's files are not what they should be.
pub fn read_merchants(store: &Store, day: &Manifest) -> Result<Merchants, DayError> {
    let names = Names::of(day);
    let mut found = Merchants::new();
    let columns = [merchants::MERCHANT_ID, merchants::NAME, merchants::CURRENCY, merchants::MODE];
    day.read(store, Table::Merchants, &columns, &mut |rows| {
        for row in 0..rows.len() {
            let facts = MerchantFacts {
                name: rows.text(merchants::NAME, row).to_owned(),
                currency: names.currency(rows.text(merchants::CURRENCY, row))?,
                is_gross: rows.text(merchants::MODE, row) == "gross",
            };
            found.insert(names.merchant(rows.text(merchants::MERCHANT_ID, row))?, facts);
        }
        Ok::<_, DayError>(())
    })?;
    Ok(found)
}

/// What merchants there are, in a few words: for whoever asked for another.
#[must_use]
pub fn in_short(merchants: &Merchants) -> String {
    match (merchants.first_key_value(), merchants.last_key_value()) {
        (Some((first, _)), Some((last, _))) => {
            format!("it has {}, from {} to {}", merchants.len(), first.0, last.0)
        }
        _ => "it has none".to_owned(),
    }
}
