//! The encodings that bills come in, and a guess at what else it may be when one is not in its format's.

use encoding_rs::{DecoderResult, GB18030};

use super::error::BillError;
use super::lines::Lines;

/// The mark that some programs put before UTF-8.
pub(super) const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The line as UTF-8, without the mark before the first.
pub(super) fn utf8<'l>(lines: &'l Lines<'_>) -> Result<&'l str, BillError> {
    let bytes = lines.current();
    let bytes = if lines.line() == 1 { bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes) } else { bytes };
    match std::str::from_utf8(bytes) {
        Ok(text) if lines.line() > 1 || !text.contains('\0') => Ok(text),
        _ => Err(foreign(lines, "UTF-8")),
    }
}

/// The line out of GB18030, into a buffer that is used again.
pub(super) fn gb18030(lines: &Lines<'_>, text: &mut String) -> Result<(), BillError> {
    const EXPECTED: &str = "GB18030";
    let bytes = lines.current();
    text.clear();
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    text.reserve(decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(0));
    let (result, _) = decoder.decode_to_string_without_replacement(bytes, text, true);
    let is_utf8 = lines.line() == 1 && !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok();
    match result {
        DecoderResult::InputEmpty if !is_utf8 && (lines.line() > 1 || !text.contains('\0')) => Ok(()),
        _ => Err(foreign(lines, EXPECTED)),
    }
}

fn foreign(lines: &Lines<'_>, expected: &'static str) -> BillError {
    BillError::Encoding { place: lines.place(), expected, found: looks_like(lines.current()) }
}

/// What bytes look like, by their marks and by what can be decoded.
fn looks_like(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return "UTF-16";
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return "an Excel workbook";
    }
    if bytes.starts_with(b"%PDF") {
        return "a PDF";
    }
    if bytes.contains(&0) {
        return "UTF-16";
    }
    if std::str::from_utf8(bytes).is_ok() {
        return "UTF-8";
    }
    if GB18030.decode_without_bom_handling_and_without_replacement(bytes).is_some() {
        return "GB18030 (GBK)";
    }
    "no text, or a damaged one"
}
