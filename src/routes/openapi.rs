//! The interface as an OpenAPI 3.1 document, made from the table of routes: a route cannot be missing here.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::build;
use crate::http::Method;
use crate::routes::table::Endpoint;
use crate::routes::table::ROUTES;
use crate::routes::table::Route;

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operations = paths.entry(route.path).or_insert_with(|| json!({}));
        operations[method(route.method)] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "maple-expectation",
            "version": build::VERSION,
            "description": "Expected cost, in mesos, of making the gear a MapleStory character wears.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas(), "responses": responses() },
    })
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get | Method::Head => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Delete => "delete",
        Method::Patch => "patch",
        Method::Options => "options",
    }
}

fn operation(route: &Route) -> Value {
    let id: String = format!("{}{}", method(route.method), route.path)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    json!({
        "operationId": id,
        "summary": route.summary,
        "deprecated": route.endpoint == Endpoint::HistoricLike,
        "parameters": parameters(route),
        "responses": operation_responses(route),
    })
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    if route.path.contains("{userIgn}") {
        parameters.push(json!({
            "name": "userIgn", "in": "path", "required": true,
            "description": "Nickname: 1 to 12 characters after trimming and NFC, no control characters",
            "schema": { "type": "string" },
        }));
    }
    if route.path.contains("{presetNo}") {
        parameters.push(json!({
            "name": "presetNo", "in": "path", "required": true,
            "description": "1 to 3; any other number gives an empty document",
            "schema": { "type": "integer", "format": "int64" },
        }));
    }
    if route.endpoint == Endpoint::Expectation {
        parameters.push(json!({
            "name": "force", "in": "query", "required": false,
            "description": "Fetch the gear again; one per character and cool-down",
            "schema": { "type": "boolean", "default": false },
        }));
    }
    parameters
}

fn operation_responses(route: &Route) -> Value {
    let document = |schema: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({ "description": "OK", "content": { "application/json": { "schema": schema } } })
    };
    let shared = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    let mut responses = Map::new();
    match route.endpoint {
        Endpoint::HistoricLike => {
            responses.insert("410".to_owned(), shared("Error"));
            return Value::Object(responses);
        }
        Endpoint::Health | Endpoint::Info | Endpoint::ApiDocs => {
            responses.insert("200".to_owned(), document("Object"));
            return Value::Object(responses);
        }
        Endpoint::Prometheus => {
            let text = json!({ "text/plain": { "schema": { "type": "string" } } });
            let ok = json!({ "description": "OK", "content": text });
            responses.insert("200".to_owned(), ok);
            return Value::Object(responses);
        }
        Endpoint::Valuation => {
            responses.insert("200".to_owned(), document("Valuation"));
            responses.insert("202".to_owned(), shared("Pending"));
        }
        Endpoint::RecalculateLater => {
            responses.insert("202".to_owned(), shared("Pending"));
        }
        Endpoint::Expectation | Endpoint::ExpectationPreset | Endpoint::Recalculate => {
            responses.insert("200".to_owned(), document("Expectation"));
        }
        Endpoint::Totals => {
            responses.insert("200".to_owned(), document("Totals"));
        }
        Endpoint::Equipment => {
            responses.insert("200".to_owned(), document("Object"));
        }
        Endpoint::Character => {
            responses.insert("200".to_owned(), document("Character"));
        }
    }
    if route.method == Method::Get && route.endpoint != Endpoint::Character {
        responses.insert(
            "304".to_owned(),
            json!({ "description": "Not modified: the ETag still holds" }),
        );
    }
    for code in ["400", "404", "415", "500", "503"] {
        responses.insert(code.to_owned(), shared("Error"));
    }
    let forces = [Endpoint::Expectation, Endpoint::Recalculate, Endpoint::RecalculateLater];
    if forces.contains(&route.endpoint) {
        responses.insert("429".to_owned(), shared("Error"));
    }
    Value::Object(responses)
}

fn responses() -> Value {
    let text = |what| json!({ "description": what, "schema": { "type": "string" } });
    json!({
        "Pending": {
            "description": "Being made: ask again there, after a while",
            "headers": { "Location": text("Path of the document"), "Retry-After": text("Seconds") },
        },
        "Error": {
            "description": "Who is at fault and whether to retry",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
        },
    })
}

fn object(fields: &[(&str, Value)], optional: &[&str]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| *name).filter(|name| !optional.contains(name)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let whole = || json!({ "type": "integer", "format": "int64" });
    let truth = || json!({ "type": "boolean" });
    let list = || json!({ "type": "array", "items": { "type": "object" } });
    json!({
        "Object": { "type": "object" },
        "Error": object(
            &[
                ("success", truth()), ("status", whole()), ("code", text()), ("message", text()),
                ("timestamp", text()), ("requestId", text()), ("field", text()), ("retryable", truth()),
            ],
            &["field", "retryable"],
        ),
        "Character": object(
            &[
                ("userIgn", text()), ("ocid", text()), ("likeCount", json!({ "type": ["integer", "null"] })),
                ("worldName", text_or_null()), ("characterClass", text_or_null()),
                ("characterImage", text_or_null()),
            ],
            &[],
        ),
        "Totals": object(
            &[("userIgn", text()), ("totalCost", whole()), ("totalCostText", text()), ("items", list())],
            &["items"],
        ),
        "Valuation": object(
            &[
                ("userIgn", text()), ("characterOcid", text()), ("characterClass", text_or_null()),
                ("calculatedAt", text()), ("lastApiSyncAt", text()), ("version", whole()),
                ("totalExpectedCost", whole()), ("maxPresetNo", whole()), ("fromCache", truth()),
                ("partial", truth()), ("presets", list()),
            ],
            &[],
        ),
        "Expectation": object(
            &[
                ("userIgn", text()), ("calculatedAt", text()), ("fromCache", truth()),
                ("totalExpectedCost", whole()), ("totalCostText", text()),
                ("totalCostBreakdown", json!({ "type": "object" })), ("maxPresetNo", whole()),
                ("presets", list()), ("ruleset", text()), ("stale", truth()), ("dataAsOf", text()),
                ("partial", truth()), ("tierUpCost", whole()), ("flameCost", whole()),
                ("unpriced", list()), ("notes", list()),
            ],
            &[],
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_describes_exactly_the_table() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let operations: usize =
            paths.values().map(|path| path.as_object().map_or(0, Map::len)).sum();
        assert_eq!(operations, ROUTES.len());
        for route in ROUTES {
            let operation = &paths[route.path][method(route.method)];
            assert_eq!(operation["summary"], route.summary, "{}", route.path);
            let braces = route.path.matches('{').count();
            let in_path = |parameter: &&Value| parameter["in"] == "path";
            let parameters = operation["parameters"].as_array().expect("list");
            assert_eq!(parameters.iter().filter(in_path).count(), braces, "{}", route.path);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                    Value::String(target) if name == "$ref" => found.push(target.clone()),
                    value => references(value, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let (document, mut found) = (document(), Vec::new());
        references(&document, &mut found);
        assert!(found.len() > ROUTES.len());
        for target in found {
            assert!(document.pointer(&target[1..]).is_some(), "{target}");
        }
    }
}
