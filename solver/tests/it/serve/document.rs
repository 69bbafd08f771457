//! The document that describes the API, against what is really read and written.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use ballast_fixtures::demo;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::server::{LONG, Server, request};

/// What `/openapi.json` says, and which of the answers that it describes were seen.
pub(crate) struct Document {
    text: Value,
    validators: RefCell<HashMap<Value, Rc<Validator>>>,
    seen: RefCell<BTreeSet<String>>,
}

impl Document {
    pub(crate) fn new(text: &str) -> Self {
        let mut text = serde_json::from_str(text).unwrap();
        close(&mut text);
        Self { text, validators: RefCell::default(), seen: RefCell::default() }
    }

    /// The path of the document that a request's is one of.
    fn template(&self, path: &str) -> &str {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let parts = (template.split('/'), path.split('/'));
            parts.0.clone().count() == parts.1.clone().count()
                && parts.0.zip(parts.1).all(|(part, said)| part == said || (part.starts_with('{') && !said.is_empty()))
        };
        let templates = || self.text["paths"].as_object().unwrap().keys();
        templates().find(|template| fits(template)).unwrap_or_else(|| panic!("{path} is none of {:?}", templates()))
    }

    /// Checks an answer: that its status is described, and its body as described.
    #[track_caller]
    pub(crate) fn answered(&self, method: &str, path: &str, status: u16, kind: &str, body: &str) {
        let template = self.template(path);
        let answer = format!("{} {template} {status}", method.to_uppercase());
        let described = &self.text["paths"][template][method]["responses"][status.to_string()];
        assert!(described.is_object(), "{answer} is not described: {body}");
        self.seen.borrow_mut().insert(answer.clone());
        let Some(content) = described.get("content") else {
            return assert_eq!(body, "", "{answer} is described without a body");
        };
        let kind = kind.split(';').next().unwrap();
        let schema = &content[kind]["schema"];
        assert!(schema.is_object(), "{answer} is {content}, not {kind}");
        let values = match kind {
            "application/json" => vec![serde_json::from_str(body).unwrap()],
            "text/event-stream" => {
                body.lines().filter_map(|line| Some(serde_json::from_str(line.strip_prefix("data: ")?).unwrap())).collect()
            }
            _ => vec![Value::from(body)],
        };
        values.iter().for_each(|value| self.fits(schema, value).unwrap_or_else(|e| panic!("{answer}: {e}: {value}")));
    }

    /// Checks what is sent to a path.
    pub(crate) fn asked(&self, path: &str, body: &Value) -> Result<(), String> {
        let request = &self.text["paths"][self.template(path)]["post"]["requestBody"];
        self.fits(&request["content"]["application/json"]["schema"], body)
    }

    /// Every answer that it describes, and that was not seen.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let paths = self.text["paths"].as_object().unwrap().iter();
        let methods = paths.flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |(name, m)| (path, name, m)));
        let answers = methods.flat_map(|(path, method, operation)| {
            let statuses = operation["responses"].as_object().unwrap().keys();
            statuses.map(move |status| format!("{} {path} {status}", method.to_uppercase()))
        });
        answers.filter(|answer| !self.seen.borrow().contains(answer)).collect()
    }

    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let compiled = || {
            let whole = json!({ "components": self.text["components"], "allOf": [schema], "unevaluatedProperties": false });
            Rc::new(jsonschema::draft202012::new(&whole).unwrap())
        };
        let validator = self.validators.borrow_mut().entry(schema.clone()).or_insert_with(compiled).clone();
        let errors: Vec<String> = validator.iter_errors(value).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

/// Closes every schema of an object that stands by itself: what is not described is noticed. Those that are parts of another stay open, and so does what is
/// described as any object at all.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(close),
        Value::Object(keywords) => {
            for (keyword, value) in keywords.iter_mut() {
                close(value);
                match (keyword.as_str(), value) {
                    ("properties", Value::Object(properties)) => properties.values_mut().for_each(seal),
                    ("items" | "additionalProperties", value) => seal(value),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn seal(schema: &mut Value) {
    let says = |keyword: &str| schema.get(keyword).is_some();
    let any = schema["type"] == "object" && !says("properties") && !says("additionalProperties");
    if let Value::Object(keywords) = schema
        && !any
    {
        keywords.insert("unevaluatedProperties".to_owned(), false.into());
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
    let text: Value = serde_json::from_str(&server.get("/openapi.json")).unwrap();
    assert!(text["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut paths: Vec<&str> = text["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/healthz", "/metrics", "/notify", "/solve"]);
    let document = server.document();
    // What is answered is checked wherever it is answered; everything that may be asked, and answered, is described.
    let everything = everything();
    let (status, reply) = server.post("/solve", everything.to_string());
    assert_eq!(status, 200, "{reply}");
    document.asked("/solve", &everything).unwrap();
    for reply in [every_reply(), json!({ "error": { "code": "other", "message": "words" } })] {
        document.answered("post", "/solve", 200, "application/json", &reply.to_string());
    }
    ballast_wire::Reply::from_json(every_reply().to_string().as_bytes()).unwrap();
    for solution in [json!(0), json!([0, 1]), json!(null)] {
        let hash = format!("0x{}", "ab".repeat(32));
        let said = json!({ "auctionId": "1", "solutionId": solution, "kind": "revert", "transaction": hash, "reason": "x" });
        document.asked("/notify", &said).unwrap();
        assert_eq!(server.post("/notify", said.to_string()).0, 200);
    }
    for path in ["/solve", "/notify"] {
        assert_eq!(server.post(path, "[]").0, 400);
    }
    server.get("/healthz");
    server.get("/metrics");
    // Those that the tests of hostile clients provoke.
    let left = document.unseen();
    assert!(left.iter().all(|answer| ["408", "413", "500", "503"].iter().any(|status| answer.ends_with(status))), "{left:?}");
    // The checker would notice.
    let mut wrong = everything;
    wrong["liquidity"][0]["unheard"] = "of".into();
    let said = document.asked("/solve", &wrong).unwrap_err();
    assert!(said.contains("unheard"), "{said}");
    wrong["liquidity"][0].as_object_mut().unwrap().remove("unheard");
    wrong["orders"][0]["sellAmount"] = 7.into();
    assert!(document.asked("/solve", &wrong).is_err());
}

#[test]
fn there_is_a_page_to_read_it() {
    let server = Server::start("page", "");
    assert!(server.get("/docs/").contains("swagger-ui"));
    assert!(server.get("/docs/swagger-initializer.js").contains("/openapi.json"));
}
