//! The one table of routes. The router, the OpenAPI document and the 405 answers all come from it.

use crate::http::Method;

/// What answers a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what each is")]
pub enum Endpoint {
    Expectation,
    ExpectationPreset,
    Recalculate,
    Valuation,
    RecalculateLater,
    Totals,
    Equipment,
    Character,
    HistoricLike,
    Health,
    Info,
    Prometheus,
    ApiDocs,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Method; HEAD is answered wherever GET is.
    pub method: Method,
    /// Path; a segment in braces stands for any one segment.
    pub path: &'static str,
    /// What answers it.
    pub endpoint: Endpoint,
    /// One line for people.
    pub summary: &'static str,
}

const fn get(path: &'static str, endpoint: Endpoint, summary: &'static str) -> Route {
    Route { method: Method::Get, path, endpoint, summary }
}

const fn post(path: &'static str, endpoint: Endpoint, summary: &'static str) -> Route {
    Route { method: Method::Post, path, endpoint, summary }
}

/// All routes.
pub const ROUTES: &[Route] = &[
    get(
        "/api/v4/characters/{userIgn}/expectation",
        Endpoint::Expectation,
        "Expected cost of every preset of a character",
    ),
    get(
        "/api/v4/characters/{userIgn}/expectation/preset/{presetNo}",
        Endpoint::ExpectationPreset,
        "Expected cost of one preset",
    ),
    post(
        "/api/v4/characters/{userIgn}/expectation/recalculate",
        Endpoint::Recalculate,
        "Fetch the gear again and value it",
    ),
    get(
        "/api/v5/characters/{userIgn}/expectation",
        Endpoint::Valuation,
        "Costs of every preset from what is kept; 202 while they are being made",
    ),
    post(
        "/api/v5/characters/{userIgn}/expectation/recalculate",
        Endpoint::RecalculateLater,
        "Have the gear fetched and valued again, later",
    ),
    get(
        "/api/v3/characters/{userIgn}/expectation",
        Endpoint::Totals,
        "Regular potential of the worn gear",
    ),
    get(
        "/api/v2/characters/{userIgn}/expectation",
        Endpoint::Totals,
        "Regular potential of the worn gear",
    ),
    get(
        "/api/v3/characters/{userIgn}/equipment",
        Endpoint::Equipment,
        "The equipment document as the game's API sent it",
    ),
    get(
        "/api/v2/characters/{userIgn}/equipment",
        Endpoint::Equipment,
        "The equipment document as the game's API sent it",
    ),
    get("/api/v1/characters/{userIgn}", Endpoint::Character, "Id, world and job of a character"),
    post("/api/v1/characters/{userIgn}/like", Endpoint::HistoricLike, "Gone: use V2"),
    get("/actuator/health", Endpoint::Health, "Whether the server can answer"),
    get("/actuator/info", Endpoint::Info, "Build, drivers, ruleset, upstream, counters"),
    get("/actuator/prometheus", Endpoint::Prometheus, "Metrics in the Prometheus text format"),
    get("/v3/api-docs", Endpoint::ApiDocs, "This interface as an OpenAPI 3.1 document"),
];

/// What a path and a method lead to.
#[derive(Debug, PartialEq, Eq)]
pub enum Matched<'p> {
    /// A route.
    Route {
        /// Its place in [`ROUTES`].
        place: usize,
        /// What answers it.
        endpoint: Endpoint,
        /// The raw segments that stand for the braces, in order.
        parameters: [&'p str; 2],
    },
    /// The path exists, the method does not; these do.
    OtherMethods(String),
    /// No such path.
    Nothing,
}

impl Matched<'_> {
    /// Place of the route in [`ROUTES`]; one behind the last for what has none.
    #[must_use]
    pub fn place(&self) -> usize {
        match self {
            Self::Route { place, .. } => *place,
            Self::OtherMethods(_) | Self::Nothing => ROUTES.len(),
        }
    }
}

/// Finds the route of a raw (still percent-encoded) path.
#[must_use]
pub fn find(method: Method, path: &str) -> Matched<'_> {
    let wanted = if method == Method::Head { Method::Get } else { method };
    let mut others = Vec::new();
    for (place, route) in ROUTES.iter().enumerate() {
        let Some(parameters) = matches(route.path, path) else { continue };
        if route.method == wanted {
            return Matched::Route { place, endpoint: route.endpoint, parameters };
        }
        others.extend(allowed(route.method));
    }
    if others.is_empty() { Matched::Nothing } else { Matched::OtherMethods(others.join(", ")) }
}

fn allowed(method: Method) -> impl Iterator<Item = &'static str> {
    match method {
        Method::Get => ["GET", "HEAD"].iter(),
        Method::Post => ["POST"].iter(),
        _ => [].iter(),
    }
    .copied()
}

fn matches<'p>(pattern: &str, path: &'p str) -> Option<[&'p str; 2]> {
    let mut parameters = [""; 2];
    let mut found = 0;
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        if wanted.starts_with('{') {
            parameters[found] = segment;
            found += 1;
        } else if wanted != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_found_by_its_own_path() {
        for route in ROUTES {
            let path = route.path.replace("{userIgn}", "a").replace("{presetNo}", "2");
            let Matched::Route { endpoint, .. } = find(route.method, &path) else {
                panic!("{path} leads nowhere");
            };
            assert_eq!(endpoint, route.endpoint, "{path}");
        }
    }

    #[test]
    fn parameters_methods_and_strangers() {
        let path = "/api/v4/characters/%EA%B0%95/expectation/preset/2";
        assert_eq!(
            find(Method::Head, path),
            Matched::Route {
                place: 1,
                endpoint: Endpoint::ExpectationPreset,
                parameters: ["%EA%B0%95", "2"]
            }
        );
        assert_eq!(find(Method::Delete, path), Matched::OtherMethods("GET, HEAD".to_owned()));
        let recalculate = "/api/v4/characters/a/expectation/recalculate";
        assert_eq!(find(Method::Get, recalculate), Matched::OtherMethods("POST".to_owned()));
        for stranger in
            ["/", "/api/v4/characters/a", "/actuator/health/", "/api/v1/characters/a/b/c"]
        {
            assert_eq!(find(Method::Get, stranger), Matched::Nothing, "{stranger}");
        }
    }
}
