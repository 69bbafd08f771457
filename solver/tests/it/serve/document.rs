//! The document that describes the API, against what is really read and written.

use ballast_fixtures::demo;
use serde_json::{Value, json};

use super::server::{LONG, Server, request};

/// Checks that a value is as a schema says, and that the schema knows every field of it.
struct Checker<'a>(&'a Value);

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            let schema = self.0.pointer(pointer).ok_or_else(|| format!("{reference} leads nowhere"))?;
            return self.check(schema, value).map_err(|e| format!("{}: {e}", pointer.rsplit('/').next().unwrap()));
        }
        for list in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[list].as_array() {
                let errors: Vec<_> = choices.iter().filter_map(|choice| self.check(choice, value).err()).collect();
                return if errors.len() < choices.len() { Ok(()) } else { Err(format!("none of {errors:?}")) };
            }
        }
        if schema["allOf"].is_array() {
            let mut whole = json!({ "type": "object", "properties": {}, "required": [] });
            self.merge(schema, &mut whole, value)?;
            return self.check(&whole, value);
        }
        self.is_of_type(&schema["type"], value)?;
        if let Some(options) = schema["enum"].as_array() {
            return if options.contains(value) { Ok(()) } else { Err(format!("{value} is none of {options:?}")) };
        }
        if let Some(items) = value.as_array() {
            return items.iter().try_for_each(|item| self.check(&schema["items"], item));
        }
        let Some(object) = value.as_object() else { return Ok(()) };
        for required in schema["required"].as_array().into_iter().flatten() {
            object.get(required.as_str().unwrap()).ok_or_else(|| format!("no {required}"))?;
        }
        for (key, value) in object {
            let schema = schema["properties"].get(key).or(schema.get("additionalProperties"));
            let schema = schema.ok_or_else(|| format!("{key} is not described"))?;
            self.check(schema, value).map_err(|e| format!("{key}: {e}"))?;
        }
        Ok(())
    }

    /// All properties of a schema that is made of several, choices by what fits.
    fn merge(&self, schema: &Value, whole: &mut Value, value: &Value) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.merge(self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap(), whole, value);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().find(|choice| {
                let mut alone = json!({ "properties": {}, "required": [] });
                self.merge(choice, &mut alone, value).is_ok() && alone["properties"]["kind"]["enum"] == json!([value["kind"]])
            });
            return self.merge(fits.ok_or_else(|| format!("no choice for {}", value["kind"]))?, whole, value);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.merge(part, whole, value)?;
        }
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            whole["properties"][key] = property.clone();
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        whole["required"].as_array_mut().unwrap().extend(required);
        Ok(())
    }

    fn is_of_type(&self, types: &Value, value: &Value) -> Result<(), String> {
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let has = |t: &Value| t == name || (t == "number" && name == "integer");
        let fits = types.is_null() || has(types) || types.as_array().is_some_and(|types| types.iter().any(has));
        if fits { Ok(()) } else { Err(format!("{value} is no {types}")) }
    }
}

/// A request with everything in it that may be in one.
fn everything() -> Value {
    let mut request = request(&demo(), LONG);
    let zero = format!("0x{}", "00".repeat(20));
    let call = json!([{ "target": zero, "value": "1", "callData": "0x12" }]);
    request["surplusCapturingJitOrderOwners"] = json!([zero]);
    let order = &mut request["orders"][0];
    order["receiver"] = zero.clone().into();
    (order["preInteractions"], order["postInteractions"]) = (call.clone(), call);
    (order["sellTokenSource"], order["buyTokenDestination"]) = ("erc20".into(), "internal".into());
    order["feePolicies"] = json!([
        { "surplus": { "factor": 0.5, "maxVolumeFactor": 0.01 } },
        { "volume": { "factor": 0.01 } },
        { "priceImprovement": {
            "factor": 0.5, "maxVolumeFactor": 0.01, "quote": { "sellAmount": "1", "buyAmount": "1", "fee": "0" },
        } },
    ]);
    order["flashloanHint"] =
        json!({ "liquidityProvider": zero, "protocolAdapter": zero, "receiver": zero, "token": zero, "amount": "1" });
    order["wrappers"] = json!([{ "address": zero, "data": "0x", "isOmittable": true }]);
    request
}

/// A reply with everything in it that may be in one.
fn every_reply() -> Value {
    let zero = format!("0x{}", "00".repeat(20));
    let uid = format!("0x{}", "00".repeat(56));
    let call = json!([{ "target": zero, "value": "1", "callData": "0x12" }]);
    json!({ "solutions": [{
        "id": 0, "prices": { &zero: "1" }, "gas": 1, "preInteractions": call, "postInteractions": call,
        "trades": [
            { "kind": "fulfillment", "order": uid, "executedAmount": "1", "fee": "0" },
            { "kind": "jit", "executedAmount": "1", "fee": "0", "order": {
                "sellToken": zero, "buyToken": zero, "receiver": zero, "sellAmount": "1", "buyAmount": "1", "partiallyFillable": false,
                "validTo": 1, "appData": format!("0x{}", "00".repeat(32)), "kind": "sell", "sellTokenBalance": "erc20",
                "buyTokenBalance": "erc20", "signingScheme": "eip1271", "signature": "0x" } },
        ],
        "interactions": [
            { "kind": "liquidity", "internalize": false, "id": "1", "inputToken": zero, "outputToken": zero, "inputAmount": "1",
              "outputAmount": "1" },
            { "kind": "custom", "internalize": false, "target": zero, "value": "0", "callData": "0x",
              "allowances": [{ "token": zero, "spender": zero, "amount": "1" }], "inputs": [{ "token": zero, "amount": "1" }],
              "outputs": [{ "token": zero, "amount": "1" }] },
        ],
        "flashloans": { uid: { "liquidityProvider": zero, "protocolAdapter": zero, "receiver": zero, "token": zero, "amount": "1" } },
        "wrappers": [{ "address": zero, "data": "0x", "isOmittable": false }],
    }] })
}

#[test]
fn the_document_describes_what_is_read_and_written() {
    let server = Server::start("document", "");
    let document: Value = serde_json::from_str(&server.get("/openapi.json")).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/healthz", "/metrics", "/notify", "/solve"]);
    let asked = |path: &str| document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"].clone();
    let answered =
        |status: &str| document["paths"]["/solve"]["post"]["responses"][status]["content"]["application/json"]["schema"].clone();
    let checker = Checker(&document);
    let good = |schema: Value, value: Value| checker.check(&schema, &value).unwrap_or_else(|e| panic!("{e}"));
    let everything = everything();
    // It is read as well.
    let (status, reply) = server.post("/solve", everything.to_string());
    assert_eq!(status, 200, "{reply}");
    good(answered("200"), reply);
    good(asked("/solve"), everything.clone());
    good(answered("200"), every_reply());
    good(answered("200"), json!({ "error": { "code": "other", "message": "words" } }));
    ballast_wire::Reply::from_json(every_reply().to_string().as_bytes()).unwrap();
    for solution in [json!(0), json!([0, 1]), json!(null)] {
        let hash = format!("0x{}", "ab".repeat(32));
        good(
            asked("/notify"),
            json!({ "auctionId": "1", "solutionId": solution, "kind": "revert", "transaction": hash, "reason": "x" }),
        );
    }
    let (status, problem) = server.post("/solve", "{}");
    assert_eq!(status, 400);
    good(answered("400"), problem);
    // The checker would notice.
    let mut wrong = everything;
    wrong["liquidity"][0]["unheard"] = "of".into();
    assert!(checker.check(&asked("/solve"), &wrong).is_err());
}

#[test]
fn there_is_a_page_to_read_it() {
    let server = Server::start("page", "");
    assert!(server.get("/docs/").contains("swagger-ui"));
    assert!(server.get("/docs/swagger-initializer.js").contains("/openapi.json"));
}
