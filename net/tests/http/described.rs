//! What the API's description says, looked up and held against what the server answers.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use suanpan_net::http::{HttpOptions, openapi};

use crate::client::Answer;

/// What a path is documented to take, and how.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) schema: Value,
}

/// The description of the API as a server in dev mode has it.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn get() -> &'static Self {
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(|| Self(serde_json::from_str(&openapi(HttpOptions { dev: true })).unwrap()))
    }

    /// An answer must be one that its operation is said to give. What is no operation is not looked at.
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let Some(operation) = self.operation(method, path) else { return };
        let what = || format!("{method} {path}: {} {}", answer.status, answer.body);
        let response = operation["responses"].get(answer.status.to_string());
        let response = self.resolve(response.unwrap_or_else(|| panic!("not described: {}", what())));
        let content = response["content"].as_object().unwrap();
        let (media_type, content) = content.iter().next().unwrap();
        assert_eq!(answer.header("content-type"), Some(media_type.as_str()), "{}", what());
        if let Err(why) = self.allows(&content["schema"], &answer.body) {
            panic!("not as described, {why}: {}", what());
        }
    }

    /// The operation of a path whose variables are filled in.
    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let fits = |pattern: &str| {
            let mut parts = path.split('/');
            let each = pattern
                .split('/')
                .all(|want| parts.next().is_some_and(|p| want.starts_with('{') || p == want));
            each && parts.next().is_none()
        };
        let item = self.0["paths"].as_object().unwrap().iter().find(|(pattern, _)| fits(pattern))?.1;
        item.get(method.to_lowercase())
    }

    /// Whether a value is as a schema has it: its type, its words, and for objects which fields there are.
    fn allows(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        if let Some(all) = schema.get("allOf") {
            return all.as_array().unwrap().iter().try_for_each(|one| self.allows(one, value));
        }
        if let Some(one) = schema.get("oneOf") {
            let any = one.as_array().unwrap().iter().any(|one| self.allows(one, value).is_ok());
            return any.then_some(()).ok_or(format!("{value} is none of {one}"));
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        if !kinds.contains(&json!(kind)) {
            return Err(format!("{value} is not {kinds:?}"));
        }
        if schema.get("enum").is_some_and(|words| !words.as_array().unwrap().contains(value)) {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        for item in value.as_array().into_iter().flatten() {
            self.allows(&schema["items"], item)?;
        }
        let Some(fields) = value.as_object() else { return Ok(()) };
        let known = schema["properties"].as_object().unwrap();
        for name in schema["required"].as_array().into_iter().flatten() {
            fields.get(name.as_str().unwrap()).ok_or(format!("{name} is missing"))?;
        }
        // What narrows another schema down names only what it narrows.
        let whole = schema.get("required").is_some();
        fields.iter().try_for_each(|(name, value)| match known.get(name) {
            Some(schema) => self.allows(schema, value).map_err(|why| format!("{name}: {why}")),
            None if whole => Err(format!("{name} is not described")),
            None => Ok(()),
        })
    }

    /// Every operation that takes a body.
    pub(crate) fn with_bodies(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let Some(body) = operation.get("requestBody") else { continue };
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    schema: body["content"]["application/json"]["schema"].clone(),
                });
            }
        }
        operations
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref") {
            Some(target) => {
                self.0.pointer(&target.as_str().unwrap()[1..]).expect("a reference leads somewhere")
            }
            None => schema,
        }
    }

    /// A value that the schema allows, with every field there is.
    pub(crate) fn example(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        // An object's own example leaves fields out.
        if let Some(examples) = schema.get("examples").filter(|_| schema["type"] != "object") {
            return examples[0].clone();
        }
        if let Some(words) = schema.get("enum") {
            return words[0].clone();
        }
        if let Some(one) = schema.get("oneOf") {
            return self.example(one.as_array().unwrap().iter().find(|s| s["type"] != "null").unwrap());
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").unwrap().as_str().unwrap(),
            kind => kind.as_str().unwrap_or_else(|| panic!("no type: {schema}")),
        };
        match kind {
            "boolean" => json!(true),
            "integer" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "array" => json!([self.example(&schema["items"])]),
            "object" => {
                let fields = schema["properties"].as_object().cloned().unwrap_or_default();
                fields.iter().map(|(name, of)| (name.clone(), self.example(of))).collect::<Map<_, _>>().into()
            }
            other => panic!("no example of {other}: {schema}"),
        }
    }

    /// Every object in a schema, by the place that `param` has for it.
    pub(crate) fn objects(&self, schema: &Value, at: &str, found: &mut Vec<(String, Value)>) {
        let schema = self.resolve(schema);
        for one in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            self.objects(one, at, found);
        }
        if let Some(items) = schema.get("items") {
            self.objects(items, &format!("{at}[0]"), found);
        }
        if let Some(fields) = schema.get("properties").and_then(Value::as_object) {
            found.push((at.to_owned(), schema.clone()));
            for (name, of) in fields {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                self.objects(of, &at, found);
            }
        }
    }
}
