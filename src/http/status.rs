//! Which status, code and words an outcome gets on the wire. The only file with status codes; nothing below the
//! edge knows them. Codes and Korean texts are part of the service's contract. Details of our own defects stay in
//! the log: an answer carries the request id instead.

use std::borrow::Cow;

use serde::Serialize;

use super::Request;
use super::Response;
use super::correlation::Correlation;
use crate::error::Fault;
use crate::error::Retry;
use crate::error::What;
use crate::korean_time;

/// An HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident $code:literal $reason:literal;)*) => {
        impl Status {
            $(#[doc = concat!($code, " ", $reason)] pub const $name: Self = Self($code);)*

            /// All of them, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The reason phrase.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    OK 200 "OK";
    ACCEPTED 202 "Accepted";
    NO_CONTENT 204 "No Content";
    NOT_MODIFIED 304 "Not Modified";
    BAD_REQUEST 400 "Bad Request";
    UNAUTHORIZED 401 "Unauthorized";
    FORBIDDEN 403 "Forbidden";
    NOT_FOUND 404 "Not Found";
    METHOD_NOT_ALLOWED 405 "Method Not Allowed";
    NOT_ACCEPTABLE 406 "Not Acceptable";
    REQUEST_TIMEOUT 408 "Request Timeout";
    CONFLICT 409 "Conflict";
    GONE 410 "Gone";
    CONTENT_TOO_LARGE 413 "Content Too Large";
    URI_TOO_LONG 414 "URI Too Long";
    UNSUPPORTED_MEDIA_TYPE 415 "Unsupported Media Type";
    EXPECTATION_FAILED 417 "Expectation Failed";
    TOO_MANY_REQUESTS 429 "Too Many Requests";
    HEADER_FIELDS_TOO_LARGE 431 "Request Header Fields Too Large";
    INTERNAL_SERVER_ERROR 500 "Internal Server Error";
    NOT_IMPLEMENTED 501 "Not Implemented";
    SERVICE_UNAVAILABLE 503 "Service Unavailable";
    VERSION_NOT_SUPPORTED 505 "HTTP Version Not Supported";
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Its place in [`Status::ALL`].
    #[must_use]
    pub fn place(self) -> usize {
        Self::ALL.binary_search(&self).expect("there is no other way to make a status")
    }

    /// Whether an answer of this status never has a body or a Content-Length.
    #[must_use]
    pub const fn is_bodiless(self) -> bool {
        matches!(self, Self::NO_CONTENT | Self::NOT_MODIFIED)
    }
}

/// An error on its way to the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Status.
    pub status: Status,
    /// Code of the contract: `C001`, or `H` and the status for errors of the transport.
    pub code: Cow<'static, str>,
    /// For the reader, Korean.
    pub message: Cow<'static, str>,
    /// The field or parameter at fault.
    pub field: Option<&'static str>,
    /// Seconds after which the same request may succeed.
    pub retry_after_secs: Option<u32>,
}

impl Problem {
    /// An error with a code of its own.
    #[must_use]
    pub fn new(
        status: Status,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { status, code, message, field: None, retry_after_secs: None }
    }

    /// An error of the transport: unknown path, wrong method, unreadable request.
    #[must_use]
    pub fn transport(status: Status) -> Self {
        let message = match status {
            Status::BAD_REQUEST => "잘못된 HTTP 요청입니다.",
            Status::NOT_FOUND => "요청한 경로를 찾을 수 없습니다.",
            Status::METHOD_NOT_ALLOWED => "허용되지 않는 메서드입니다.",
            Status::REQUEST_TIMEOUT => "요청 수신 시간이 초과되었습니다.",
            Status::CONTENT_TOO_LARGE => "요청 본문이 너무 큽니다.",
            Status::URI_TOO_LONG => "요청 URI가 너무 깁니다.",
            Status::UNSUPPORTED_MEDIA_TYPE => "지원하지 않는 미디어 타입입니다.",
            Status::EXPECTATION_FAILED => "지원하지 않는 Expect 헤더입니다.",
            Status::HEADER_FIELDS_TOO_LARGE => "요청 헤더가 너무 큽니다.",
            Status::NOT_IMPLEMENTED => "지원하지 않는 HTTP 기능입니다.",
            Status::VERSION_NOT_SUPPORTED => "지원하지 않는 HTTP 버전입니다.",
            other => other.reason(),
        };
        Self::new(status, format!("H{}", status.code()), message)
    }

    /// A failure of the domain. `correlation` stands in for the details of a defect of ours.
    #[must_use]
    pub fn of_fault(fault: &Fault, correlation: &Correlation) -> Self {
        let mut problem = match &fault.what {
            What::NoSuchCharacter { name } => Self::new(
                Status::NOT_FOUND,
                "C002",
                format!("존재하지 않는 캐릭터입니다 (IGN: {name})"),
            ),
            What::BadInput { field, rule } => Self {
                field: Some(field),
                ..Self::new(
                    Status::BAD_REQUEST,
                    "C001",
                    format!("잘못된 입력값입니다: {field}: {rule}"),
                )
            },
            What::CoolDown { seconds } => Self::new(
                Status::TOO_MANY_REQUESTS,
                "R001",
                format!("요청 한도를 초과했습니다. {seconds}초 후 다시 시도해주세요."),
            ),
            What::OutdatedId => Self::unavailable("S005", "외부 API 호출 실패 (ocid)"),
            What::UpstreamFailed { detail } => {
                Self::unavailable("S005", format!("외부 API 호출 실패 ({detail})"))
            }
            What::UpstreamTimeout { detail } => {
                Self::unavailable("S010", format!("외부 API 호출 시간 초과 ({detail})"))
            }
            What::Deadline | What::Overloaded { .. } => Self::unavailable("S007", UNAVAILABLE_TEXT),
            What::Internal { .. } => Self::new(
                Status::INTERNAL_SERVER_ERROR,
                "S001",
                format!("서버 내부 오류가 발생했습니다. ({correlation})"),
            ),
        };
        if let Retry::AfterSecs(secs) = fault.retry {
            problem.retry_after_secs = Some(secs);
        }
        problem
    }

    /// The answer to `request`.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>) -> Response {
        self.response(request.correlation(), request.received_unix_ms())
    }

    pub(super) fn response(&self, correlation: &Correlation, unix_ms: u64) -> Response {
        let body = Body {
            success: false,
            status: self.status.code(),
            code: &self.code,
            message: &self.message,
            timestamp: korean_time::local(unix_ms),
            request_id: correlation.as_str(),
            field: self.field,
            retryable: self.retry_after_secs.is_some(),
        };
        let body = serde_json::to_vec(&body).expect("strings and numbers always serialise");
        let response = Response::new(self.status).body("application/json", body);
        let Some(secs) = self.retry_after_secs else { return response };
        let response = response.field("Retry-After", &secs.to_string());
        match self.status {
            Status::TOO_MANY_REQUESTS => response.field("X-RateLimit-Remaining", "0"),
            _ => response,
        }
    }

    fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::SERVICE_UNAVAILABLE, code, message)
    }
}

const UNAVAILABLE_TEXT: &str = "서비스가 일시적으로 사용할 수 없습니다. 잠시 후 다시 시도해주세요.";

/// Sent to a connection beyond the shard's maximum, before anything is read from it.
pub(super) const TURNED_AWAY: &[u8] = "HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/json\r\nContent-Length: 168\r\nRetry-After: 60\r\nConnection: close\r\n\r\n\
    {\"success\":false,\"status\":503,\"code\":\"S007\",\"message\":\
    \"서비스가 일시적으로 사용할 수 없습니다. 잠시 후 다시 시도해주세요.\",\"retryable\":true}"
    .as_bytes();

#[derive(Serialize)]
struct Body<'a> {
    success: bool,
    status: u16,
    code: &'a str,
    message: &'a str,
    timestamp: String,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    retryable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RETRY_OVERLOAD_SECS;
    use crate::error::RETRY_UPSTREAM_SECS;

    fn correlation() -> Correlation {
        Correlation::from_client(b"req-1").unwrap()
    }

    #[test]
    fn every_fault_has_its_status_code_text_and_retry() {
        let upstream = Some(RETRY_UPSTREAM_SECS);
        let table = [
            (
                Fault::no_such_character("아델"),
                (404, "C002", "존재하지 않는 캐릭터입니다 (IGN: 아델)", None),
            ),
            (
                Fault::bad_input("force", "true 또는 false"),
                (400, "C001", "잘못된 입력값입니다: force: true 또는 false", None),
            ),
            (
                Fault::cool_down(42),
                (429, "R001", "요청 한도를 초과했습니다. 42초 후 다시 시도해주세요.", Some(42)),
            ),
            (Fault::outdated_id(), (503, "S005", "외부 API 호출 실패 (ocid)", upstream)),
            (Fault::upstream_failed("500"), (503, "S005", "외부 API 호출 실패 (500)", upstream)),
            (
                Fault::upstream_timeout("ocid"),
                (503, "S010", "외부 API 호출 시간 초과 (ocid)", upstream),
            ),
            (Fault::deadline(), (503, "S007", UNAVAILABLE_TEXT, upstream)),
            (
                Fault::overloaded("flights"),
                (503, "S007", UNAVAILABLE_TEXT, Some(RETRY_OVERLOAD_SECS)),
            ),
            (
                Fault::internal("password=hunter2"),
                (500, "S001", "서버 내부 오류가 발생했습니다. (req-1)", None),
            ),
        ];
        for (fault, (status, code, message, retry)) in table {
            let problem = Problem::of_fault(&fault, &correlation());
            let got = (problem.status.code(), &*problem.code, &*problem.message);
            assert_eq!(got, (status, code, message), "{fault}");
            assert_eq!(problem.retry_after_secs, retry, "{fault}");
            let response = problem.response(&correlation(), 0);
            let waits = response.fields.contains("Retry-After: ");
            assert_eq!(waits, matches!(status, 429 | 503), "{fault}");
        }
    }

    #[test]
    fn the_body_has_the_contracts_shape_and_escapes_its_strings() {
        let fault = Fault::bad_input("userIgn", "\"\\\n\u{1}한");
        let response = Problem::of_fault(&fault, &correlation()).response(&correlation(), 0);
        let body = std::str::from_utf8(&response.body).unwrap();
        assert_eq!(
            body,
            r#"{"success":false,"status":400,"code":"C001","message":"잘못된 입력값입니다: userIgn: \"\\\n\u0001한","timestamp":"1970-01-01T09:00:00.000","requestId":"req-1","field":"userIgn","retryable":false}"#
        );
        assert_eq!(response.fields, "Content-Type: application/json\r\n");
    }

    #[test]
    fn transport_errors_are_h_and_the_status() {
        let problem = Problem::transport(Status::VERSION_NOT_SUPPORTED);
        assert_eq!((&*problem.code, problem.status.code()), ("H505", 505));
        for status in crate::http::probe::REFUSALS {
            assert!(!status.reason().is_empty());
        }
    }

    #[test]
    fn the_turned_away_answer_counts_its_own_bytes() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        assert!(body.contains(UNAVAILABLE_TEXT));
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
