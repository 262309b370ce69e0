//! What the simulator does wrong on purpose. Switches are set over HTTP and hold until changed,
//! reset, or used up (`times`). Nothing here waits or answers; `server` obeys.

use std::io;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::SimConfig;

/// All switches; the JSON of `/_sim/set` names any of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Switches {
    pub(super) latency_ms: u64,
    pub(super) jitter_ms: u64,
    /// Answer with this status, 400..=599.
    pub(super) status: Option<u16>,
    /// Answer with this error name; its usual status unless `status` is set.
    pub(super) error_name: Option<String>,
    /// Sent as `Retry-After` with an error.
    pub(super) retry_after_secs: Option<u32>,
    /// Never answer.
    pub(super) hang: bool,
    /// Spread the body over this time.
    pub(super) slow_body_ms: u64,
    /// Close the connection after half of the body.
    pub(super) truncate: bool,
    /// 200 with a body that is not JSON.
    pub(super) garbage: bool,
    /// 200 with this many spaces.
    pub(super) body_bytes: Option<u64>,
    pub(super) gate: Gate,
    pub(super) quota_per_second: Option<u32>,
    /// Only this endpoint is hit; none: all. The quota is for all in any case.
    pub(super) endpoint: Option<Endpoint>,
    /// Only this many more requests are hit; none: all. The gate and the quota do not count.
    pub(super) times: Option<u64>,
}

/// Whether requests get past the door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Gate {
    #[default]
    Open,
    /// They wait until it opens.
    Hold,
}

/// What a request asks for, in counters and filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Endpoint {
    Id,
    Basic,
    Equipment,
    Other,
}

/// A token bucket holding one second's worth.
#[derive(Debug, Default)]
pub(super) struct Quota {
    tokens: f64,
    filled_at: Option<Instant>,
}

/// An error of the real API.
pub(super) struct ApiError {
    pub(super) name: &'static str,
    pub(super) status: u16,
    pub(super) message: &'static str,
}

/// Longest wait a switch may ask for: ten minutes.
const WAIT_MS_MAX: u64 = 600_000;
/// Largest made-up body.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) const INTERNAL: ApiError =
    ApiError { name: "OPENAPI00001", status: 500, message: "Internal server error" };
pub(super) const BAD_IDENTIFIER: ApiError =
    ApiError { name: "OPENAPI00003", status: 400, message: "Please input valid id" };
pub(super) const BAD_PARAMETER: ApiError =
    ApiError { name: "OPENAPI00004", status: 400, message: "Please input valid parameter" };
pub(super) const BAD_KEY: ApiError =
    ApiError { name: "OPENAPI00005", status: 400, message: "Please input valid api key" };
pub(super) const BAD_PATH: ApiError =
    ApiError { name: "OPENAPI00006", status: 400, message: "Please input valid path" };
pub(super) const QUOTA: ApiError =
    ApiError { name: "OPENAPI00007", status: 429, message: "Too many requests" };
/// In this order, because a bare `status` switch takes the first error that has it.
const ERRORS: [ApiError; 10] = [
    INTERNAL,
    ApiError { name: "OPENAPI00002", status: 403, message: "Access denied" },
    BAD_PARAMETER,
    BAD_IDENTIFIER,
    BAD_KEY,
    BAD_PATH,
    QUOTA,
    ApiError { name: "OPENAPI00009", status: 400, message: "Data being prepared" },
    ApiError { name: "OPENAPI00010", status: 400, message: "Game under maintenance" },
    ApiError { name: "OPENAPI00011", status: 503, message: "API under maintenance" },
];

impl Switches {
    pub(super) fn of(config: &SimConfig) -> io::Result<Self> {
        let switches = Self {
            latency_ms: config.latency_ms,
            jitter_ms: config.jitter_ms,
            quota_per_second: config.quota_per_second,
            ..Self::default()
        };
        switches.checked().map_err(|rule| io::Error::new(io::ErrorKind::InvalidInput, rule))
    }

    /// These switches with the named ones changed; `null` takes an optional one back.
    pub(super) fn changed(&self, change: Value) -> Result<Self, String> {
        let Value::Object(change) = change else {
            return Err("expected an object of switches".to_owned());
        };
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(all) = all.as_object_mut() {
            all.extend(change);
        }
        serde_json::from_value::<Self>(all).map_err(|error| error.to_string())?.checked()
    }

    /// The faults for one request, counted: none of them when the request is not meant.
    pub(super) fn strike(&mut self, endpoint: Endpoint) -> Self {
        if self.endpoint.is_some_and(|only| only != endpoint) || self.times == Some(0) {
            return Self::default();
        }
        self.times = self.times.map(|left| left - 1);
        self.clone()
    }

    /// The error to answer with, if any: status, name, message.
    pub(super) fn error(&self) -> Option<(u16, &str, &'static str)> {
        let known = |test: &dyn Fn(&ApiError) -> bool| ERRORS.iter().find(|error| test(error));
        match (self.status, &self.error_name) {
            (None, None) => None,
            (status, Some(name)) => {
                let error = known(&|error| error.name == name.as_str()).unwrap_or(&INTERNAL);
                Some((status.unwrap_or(error.status), name, error.message))
            }
            (Some(status), None) => {
                let error = known(&|error| error.status == status).unwrap_or(&INTERNAL);
                Some((status, error.name, error.message))
            }
        }
    }

    fn checked(self) -> Result<Self, String> {
        let waits = [self.latency_ms, self.jitter_ms, self.slow_body_ms];
        if waits.iter().any(|ms| *ms > WAIT_MS_MAX) {
            return Err(format!("latencyMs, jitterMs, slowBodyMs: at most {WAIT_MS_MAX}"));
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            return Err("status: 400 to 599".to_owned());
        }
        if self.body_bytes.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
            return Err(format!("bodyBytes: at most {BODY_BYTES_MAX}"));
        }
        if self.quota_per_second == Some(0) {
            return Err("quotaPerSecond: at least 1".to_owned());
        }
        Ok(self)
    }
}

impl Quota {
    /// Takes one token if there is one.
    pub(super) fn admit(&mut self, per_second: Option<u32>, now: Instant) -> bool {
        let Some(per_second) = per_second.map(f64::from) else {
            self.filled_at = None;
            return true;
        };
        self.tokens = match self.filled_at {
            None => per_second,
            Some(then) => {
                let refill = now.duration_since(then).as_secs_f64() * per_second;
                (self.tokens + refill).min(per_second)
            }
        };
        self.filled_at = Some(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn only_named_switches_change() {
        let first = Switches::default().changed(json!({"latencyMs": 5, "status": 503})).unwrap();
        let second = first.changed(json!({"gate": "hold", "status": null})).unwrap();
        let expected = Switches { latency_ms: 5, gate: Gate::Hold, ..Switches::default() };
        assert_eq!(second, expected);
    }

    #[test]
    fn bad_switches_are_named() {
        for (change, named) in [
            (json!({"latency": 1}), "latency"),
            (json!({"latencyMs": WAIT_MS_MAX + 1}), "latencyMs"),
            (json!({"status": 200}), "status"),
            (json!({"bodyBytes": BODY_BYTES_MAX + 1}), "bodyBytes"),
            (json!({"quotaPerSecond": 0}), "quotaPerSecond"),
            (json!([]), "object"),
        ] {
            let refusal = Switches::default().changed(change).unwrap_err();
            assert!(refusal.contains(named), "{refusal}");
        }
    }

    #[test]
    fn faults_hit_what_they_name_and_no_more_often() {
        let mut switches = Switches::default()
            .changed(json!({"status": 500, "endpoint": "basic", "times": 2}))
            .unwrap();
        let mut hit = |endpoint| switches.strike(endpoint).error().is_some();
        assert!(!hit(Endpoint::Id));
        assert_eq!([(); 3].map(|()| hit(Endpoint::Basic)), [true, true, false]);
    }

    #[test]
    fn errors_take_their_usual_status() {
        let error = |change| Switches::default().changed(change).unwrap();
        let named = error(json!({"errorName": "OPENAPI00007"}));
        assert_eq!(named.error().map(|(status, ..)| status), Some(429));
        let bare = error(json!({"status": 503}));
        assert_eq!(bare.error().map(|(_, name, _)| name), Some("OPENAPI00011"));
        assert_eq!(Switches::default().error(), None);
    }

    #[test]
    fn the_quota_refills_by_time() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let admitted =
            |quota: &mut Quota, now| (0..50).filter(|_| quota.admit(Some(10), now)).count();
        assert_eq!(admitted(&mut quota, start), 10);
        assert_eq!(admitted(&mut quota, start + Duration::from_millis(300)), 3);
        assert_eq!(admitted(&mut quota, start + Duration::from_secs(9)), 10);
        assert!(quota.admit(None, start));
    }
}
