//! Files as they come: packed, several, foreign, too large.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use suanpan_clearing::bill::{BillError, Expected, Format, Limits, read as read_files, read_bytes};

use crate::{beijing, day, read, read_of, refused};
use suanpan_clearing::bill::write::{Alipay, Columns, Row, Wechat, gzip, zip_of};

const WECHAT: &[u8] = include_bytes!("wechat-trade-2018-08-26.csv");
const ALIPAY: &[u8] = include_bytes!("alipay-detail-2018-08-26.csv");

fn rows() -> Vec<Row> {
    read(Format::Wechat, WECHAT).unwrap().1
}

#[test]
fn several_files_are_one_bill_and_each_has_its_own_totals() {
    let (rows, writer) = (rows(), Wechat::new("1900000109", &beijing()));
    let first = writer.bytes(&rows[..2]);
    let older = Wechat { columns: Columns::Until2018, ..writer.clone() };
    let second = gzip(&older.bytes(&rows[2..]));
    let (totals, read) = read_of(Format::Wechat, &[&first, &second], Some("1900000109")).unwrap();
    assert_eq!((totals.rows, totals.paid, totals.refunded, &read), (6, 15_876, 8_300, &rows));

    let other = Wechat { account: "1900000110".to_owned(), ..writer };
    let error = read_of(Format::Wechat, &[&first, &other.bytes(&rows[2..])], None).unwrap_err().to_string();
    assert!(error.contains("bill-1.csv:2:") && error.contains("1900000110"), "{error}");
    let error =
        read_of(Format::Wechat, &[&first, &WECHAT[..WECHAT.len() - 1]], None).unwrap_err().to_string();
    assert!(error.contains("bill-1.csv:9:") && error.contains("cut short"), "{error}");
    let error = read_of(Format::Wechat, &[&first, WECHAT, &first], None).unwrap_err();
    assert!(matches!(error, BillError::Twice { .. }), "{error}");
    assert!(error.to_string().contains("bill-2.csv is the same file as bill-0.csv"), "{error}");
    assert!(matches!(read_of(Format::Wechat, &[], None), Err(BillError::NoFile)));
}

#[test]
fn files_on_the_disk_and_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (rows, writer) = (rows(), Wechat::new("1900000109", &beijing()));
    // What it is packed in is not told by its name.
    let files = [put("one.csv", &gzip(&writer.bytes(&rows[..2]))), put("two.gz", &writer.bytes(&rows[2..]))];
    let timezone = beijing();
    let expected = Expected { date: day(), account: None, timezone: &timezone };
    let (told, numbers) = (Cell::new(0), RefCell::new(Vec::new()));
    let mut seen = Vec::new();
    let progress = |bytes: u64| {
        assert!(bytes >= told.replace(bytes), "it only goes on");
    };
    let totals = read_files(Format::Wechat, &files, &expected, &progress, &mut |row| {
        numbers.borrow_mut().push((row.file, row.line));
        seen.push(Row::from(row));
    });
    assert_eq!((totals.unwrap().rows, seen), (6, rows));
    assert_eq!(numbers.into_inner(), [(0, 2), (0, 3), (1, 2), (1, 3), (1, 4), (1, 5)]);
    let length: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(told.get(), length);

    let zip = put("bill.zip", &Alipay::new("20880000000000000156", day(), &timezone).zip(ALIPAY, true));
    let length = fs::metadata(&zip).unwrap().len();
    told.set(0);
    read_files(Format::Alipay, &[zip], &expected, &progress, &mut |_| {}).unwrap();
    assert_eq!(told.get(), length);

    let refused =
        |files: &[PathBuf]| read_files(Format::Wechat, files, &expected, &|_| {}, &mut |_| {}).unwrap_err();
    let missing = folder.path().join("missing.csv");
    for files in
        [vec![missing.clone()], vec![missing.clone(), files[0].clone()], vec![files[0].clone(), missing]]
    {
        let error = refused(&files);
        let is_right = matches!(&error, BillError::Unreadable { path, .. } if path.ends_with("missing.csv"));
        assert!(is_right, "{error}");
    }
    assert!(matches!(refused(&[folder.path().to_owned()]), BillError::Unreadable { .. }));
    let by_another_way = folder.path().join(".").join("two.gz");
    assert!(matches!(refused(&[files[1].clone(), by_another_way]), BillError::Twice { .. }));
}

#[test]
fn damage_in_what_is_packed_is_found() {
    let timezone = beijing();
    let many: Vec<Row> = (0..40).flat_map(|_| rows()).collect();
    let plain = Wechat::new("1900000109", &timezone).bytes(&many);
    let packed = gzip(&plain);
    // The first ten bytes are a header whose time and system say nothing.
    let mut found = 0;
    for at in (10..packed.len()).step_by(7) {
        let mut bytes = packed.clone();
        bytes[at] ^= 4;
        // Where rows repeat, what is copied may be taken from another of them: then nothing is damaged.
        match read(Format::Wechat, &bytes) {
            Ok((_, read)) => assert_eq!(read, many, "byte {at} of {}", packed.len()),
            Err(_) => found += 1,
        }
    }
    assert!(found > packed.len() / 7 / 2, "{found}");
    let mut checksum = packed.clone();
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    assert!(refused(Format::Wechat, &checksum).contains("damaged"));
    let behind = [&packed[..], b"x"].concat();
    assert!(read(Format::Wechat, &behind).is_err(), "something behind what is packed");

    let table = Alipay::new("20880000000000000156", day(), &timezone);
    let sound = table.zip(ALIPAY, false);
    let from = sound.windows(2).rposition(|bytes| bytes == b"PK").unwrap() - 400;
    let mut zip = sound.clone();
    zip[from] ^= 4;
    let message = refused(Format::Alipay, &zip);
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn bombs_and_endless_lines_are_refused() {
    // A row that packs a thousand to one.
    let timezone = beijing();
    let text = String::from_utf8(Wechat::new("1900000109", &timezone).bytes(&rows()[..1])).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let row = lines[1].replace("含逗号", &"长".repeat(15_000));
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(lines[0].as_bytes()).unwrap();
    for _ in 0..1_000 {
        out.write_all(row.as_bytes()).unwrap();
    }
    let bomb = out.finish().unwrap();
    let message = refused(Format::Wechat, &bomb);
    assert!(message.contains("unpacks to more than"), "{message}");

    let long = [WECHAT, &vec![b'x'; 1 << 20]].concat();
    let message = refused(Format::Wechat, &long);
    assert!(message.contains("csv:10:") && message.contains("longer than 65536"), "{message}");
    assert!(refused(Format::Generic, &vec![b'x'; 1 << 20]).contains("csv:1:"));
    assert!(
        refused(Format::Generic, &[b"a,\"".to_vec(), b"x\n".repeat(1 << 17)].concat())
            .contains("longer than")
    );
    let zeros = zip_of(&[("a_业务明细.csv", &vec![0; 1 << 22])], false);
    assert!(refused(Format::Alipay, &zeros).contains("unpacks to more than"));
}

#[test]
fn limits_are_what_they_say() {
    let timezone = beijing();
    let expected = Expected { date: day(), account: None, timezone: &timezone };
    let packed = gzip(WECHAT);
    let read = |limits: Limits, bytes: &[u8]| {
        read_bytes(Format::Wechat, &[(Path::new("bill.gz"), bytes)], &expected, &limits, &mut |_| {})
    };
    let length = WECHAT.len() as u64;
    let limits = |unpacked_bytes_max| Limits { unpacked_bytes_max, ..Limits::DEFAULT };
    assert!(read(limits(length), &packed).is_ok());
    let error = read(limits(length - 1), &packed).unwrap_err();
    assert!(matches!(error, BillError::TooLarge { max, .. } if max == length - 1), "{error}");
    assert!(read(limits(1), WECHAT).is_ok(), "only what is packed can grow");
    let longest =
        WECHAT.split(|byte| *byte == b'\n').map(|line| line.len() - usize::from(line.ends_with(b"\r"))).max();
    let limits = |line_bytes_max| Limits { line_bytes_max, ..Limits::DEFAULT };
    assert!(read(limits(longest.unwrap()), WECHAT).is_ok());
    let error = read(limits(longest.unwrap() - 1), WECHAT).unwrap_err();
    assert!(matches!(error, BillError::RowTooLong { .. }), "{error}");
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("unionpay".parse::<Format>().unwrap_err().to_string().contains("wechat, alipay or generic"));
}
