//! The four reports: they say what was found, and run nothing that a bill says.

use suanpan_clearing::reconcile::open::open_list;
use suanpan_clearing::reconcile::report::Report;
use suanpan_clearing::reconcile::{Class, Run};

use crate::town::{Ledger, Ours, Row, Town, at};

const HARMFUL: [&str; 5] =
    ["=HYPERLINK(\"http://x\",\"y\")", "<script>alert(1)</script>", "+1\"'&", "@a,b", "\u{1b}[31mred"];

/// A day whose bill and books are full of what should not be run.
fn harmful_day() -> (Town, Run) {
    let town = Town::new();
    let ours: Vec<Ours> = HARMFUL
        .iter()
        .map(|text| Ours { channel_txn: (*text).to_owned(), ..Ours::payment(26, 1, text, 100) })
        .collect();
    let rows: Vec<Row> = HARMFUL
        .iter()
        .map(|text| {
            let row = Ours::payment(26, 2, text, 200).row();
            Row { sub_merchant: (*text).to_owned(), channel_refund_no: (*text).to_owned(), ..row }
        })
        .chain([Row { time: at(26, 0), ..Ours::payment(26, 3, "near", 7).row() }])
        .collect();
    let run = town.run(26, &Ledger::of(&ours), &rows);
    (town, run)
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn no_cell_is_a_formula_and_each_item_has_its_line() {
    let (_town, run) = harmful_day();
    let csv = text(|to| Report::of(&run).write_csv(to).unwrap());
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let mut records = 0;
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(record.len(), header.len());
        for cell in &record {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
        records += 1;
    }
    assert_eq!(records, run.lines.items.len());
    assert!(csv.contains("'=HYPERLINK"), "what it says is there all the same");
}

#[test]
fn no_text_is_markup_and_the_page_needs_nothing_else() {
    let (town, run) = harmful_day();
    let open = open_list(&town.store, None).unwrap();
    let html = text(|to| Report::of(&run).with_open(&open).write_html(to).unwrap());
    assert!(!html.contains("<script") && !html.contains("\u{1b}"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for elsewhere in ["src=", "href=", "url(", "@import"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    // Every tag is one of ours.
    for tag in html.split('<').skip(1) {
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let ours = [
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "small",
            "section",
            "figure",
            "figcaption",
            "svg",
            "text",
            "rect",
            "span",
            "dl",
            "dt",
            "dd",
            "div",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "b",
            "br",
            "code",
            "p",
            "ul",
            "li",
            "details",
            "summary",
        ];
        assert!(
            ours.contains(&name.as_str()) || tag.starts_with("!doctype"),
            "<{}",
            &tag[..tag.len().min(40)]
        );
    }
    for item in &run.lines.items {
        assert!(html.contains(&item.id), "{} has its row", item.id);
    }
}

#[test]
fn a_terminal_is_not_told_what_to_do() {
    let (town, run) = harmful_day();
    let open = open_list(&town.store, None).unwrap();
    let table = text(|to| Report::of(&run).with_open(&open).write_table(to).unwrap());
    assert!(table.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(table.contains("wechat 2018-08-26: differences, batch wechat-2018-08-26-1"));
    for item in &run.lines.items {
        assert!(table.contains(&item.id) && table.contains(item.next_step()));
    }
}

#[test]
fn the_json_has_everything() {
    let (town, run) = harmful_day();
    let open = open_list(&town.store, None).unwrap();
    let json = text(|to| Report::of(&run).with_open(&open).write_json(to).unwrap());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let batch = &value["batches"][0];
    assert_eq!(batch["outcome"], "differences");
    assert_eq!(batch["items"].as_array().unwrap().len(), run.lines.items.len());
    assert_eq!(value["open"]["items"].as_array().unwrap().len() as u64, run.batch.open());
    let carried = |item: &&serde_json::Value| item["class"] == Class::Carried.name();
    assert_eq!(batch["items"].as_array().unwrap().iter().filter(carried).count(), 1);
    assert!(batch["items"][0]["bill"]["amount_minor"].is_u64());
}
