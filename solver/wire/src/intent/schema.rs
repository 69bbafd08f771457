use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::Intent;

impl Intent {
    /// The JSON schema (2020-12) of the format, from the types that read it.
    pub fn json_schema() -> Value {
        let mut named = Vec::new();
        <Self as ToSchema>::schemas(&mut named);
        let mut schema = json!(<Self as PartialSchema>::schema());
        let defs: serde_json::Map<String, Value> = named.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
        if let Value::Object(schema) = &mut schema {
            schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
            schema.insert("title".to_owned(), json!("Ballast rebalancing intent"));
            schema.insert("$defs".to_owned(), Value::Object(defs));
        }
        locate(&mut schema);
        schema
    }
}

/// Points references at `$defs`, where a schema by itself keeps what an OpenAPI document keeps among its components.
fn locate(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get_mut("$ref") {
                *reference = reference.replace("#/components/schemas/", "#/$defs/");
            }
            map.values_mut().for_each(locate);
        }
        Value::Array(list) => list.iter_mut().for_each(locate),
        _ => {}
    }
}
