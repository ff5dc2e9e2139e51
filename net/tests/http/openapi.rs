//! The API's description: it is the committed one, and what it says of requests is so.

use std::path::Path;

use serde_json::{Value, json};
use suanpan_net::http::{HttpOptions, openapi};

use crate::described::{Document, Operation};
use crate::server::Server;

/// The committed description.
fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

#[test]
fn the_committed_description_is_the_generated_one() {
    let generated = openapi(HttpOptions::default());
    if std::env::var_os("SUANPAN_WRITE_OPENAPI").is_some() {
        std::fs::write(committed(), &generated).unwrap();
    }
    let found = std::fs::read_to_string(committed()).unwrap_or_default();
    let differs = found.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        found == generated,
        "net/openapi.json is not what the code says (first at line {}). Write it anew with \
         `SUANPAN_WRITE_OPENAPI=1 cargo test -p suanpan-net --test http openapi`",
        differs.map_or(found.lines().count(), |line| line + 1),
    );
}

#[test]
fn the_description_is_served() {
    let mut server = Server::start();
    let served = server.get("GET /openapi.json");
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    assert_eq!(served.body["openapi"], "3.1.0");
    assert!(served.body["paths"].get("/v1/dev/clock").is_some(), "a server in dev mode");
    let plain: Value = serde_json::from_str(&openapi(HttpOptions::default())).unwrap();
    assert!(plain["paths"].get("/v1/dev/clock").is_none());
}

/// A pointer into a body, of a place as `param` has it.
fn pointer(at: &str) -> String {
    if at.is_empty() {
        String::new()
    } else {
        format!("/{}", at.replace('[', "/").replace(']', "").replace('.', "/"))
    }
}

fn filled(path: &str) -> String {
    let path =
        path.replace("{merchant_id}", "1001").replace("{promoter_id}", "1001").replace("{channel}", "wechat");
    let mut filled = String::new();
    for part in path.split_inclusive('}') {
        filled.push_str(&part.split_once('{').map_or(part.to_owned(), |(before, _)| format!("{before}A1")));
    }
    filled
}

/// What no schema says: how fields depend on each other.
fn make_consistent(what: &str, body: &mut Value) {
    if what.ends_with("/adjustments") {
        body["to"] = json!("suspense");
        body["approved_by"] = json!(["a", "b"]);
    } else if what.ends_with("/holidays") {
        body["workdays"] = json!(["2018-08-25"]);
    } else if what.contains("/channels/") {
        body["blackout"] = json!([{"from": "22:00", "to": "24:00"}]);
    } else if what.ends_with("/merchants/1001") {
        body["platform"] = json!(null);
    }
}

/// Fields that the description has and the server does not know are found, and those that are not required.
#[test]
fn what_is_documented_of_requests_is_read() {
    let (document, mut server) = (Document::get(), Server::start_ready());
    let operations = document.with_bodies();
    assert!(operations.len() > 25, "there are more");
    for Operation { method, path, schema } in operations {
        let what = format!("{method} {}", filled(&path));
        let mut whole = document.example(&schema);
        make_consistent(&what, &mut whole);
        let answer = server.call(&what, &whole);
        assert_ne!(answer.status, 400, "{what} {whole}: {}", answer.body);
        let mut objects = Vec::new();
        document.objects(&schema, "", &mut objects);
        for (at, object) in objects {
            assert_eq!(object["additionalProperties"], false, "{what}: {at}");
            // One field more is refused by its name.
            let mut more = whole.clone();
            more.pointer_mut(&pointer(&at)).unwrap()["nope"] = json!(1);
            let param = if at.is_empty() { "nope".to_owned() } else { format!("{at}.nope") };
            let answer = server.call(&what, &more);
            assert_eq!(
                (answer.status, &answer.body["param"]),
                (400, &json!(param)),
                "{what} {more}: {}",
                answer.body
            );
            let required: Vec<&str> = object["required"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|name| name.as_str().unwrap())
                .collect();
            for name in object["properties"].as_object().unwrap().keys() {
                let mut less = whole.clone();
                less.pointer_mut(&pointer(&at)).unwrap().as_object_mut().unwrap().remove(name);
                let answer = server.call(&what, &less);
                if required.contains(&name.as_str()) {
                    let param = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                    let got = (answer.status, &answer.body["param"]);
                    assert_eq!(got, (400, &json!(param)), "{what} {less}: {}", answer.body);
                } else if (at.as_str(), name.as_str()) != ("", "hold") {
                    // A promoter needs its order to be held.
                    assert_ne!(answer.status, 400, "{what} {less}: {}", answer.body);
                }
            }
        }
    }
}
