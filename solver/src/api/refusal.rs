//! Why a request is not answered as asked.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ballast_wire::RequestError;
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Not what the API takes.
    #[error("{0}")]
    Malformed(#[from] RequestError),
    /// Beyond the largest request.
    #[error("the body is larger than {0}; the limit is `server.max_body`")]
    TooLarge(bytesize::ByteSize),
    /// The client did not send it in time.
    #[error("the body did not arrive within {0:?}; the limit is `server.read_timeout`")]
    Slow(std::time::Duration),
    /// The client went away.
    #[error("the body ended early: {0}")]
    Broken(axum::Error),
    /// Others fill the memory that bodies may take.
    #[error("too many requests at a time; the limit is `server.max_bodies`")]
    Busy,
    /// A defect of ours.
    #[error("an internal error; the log says more")]
    Internal,
    /// No token, or the wrong one.
    #[error("the header `Authorization: Bearer …` is absent or wrong")]
    Unauthorized,
    /// The new configuration cannot be used.
    #[error("not reloaded, the configuration stays as it was: {0}")]
    Config(String),
}

/// What the body of a refusal says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The path of the field that is wrong, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong.
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Malformed(_) | Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Config(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        tracing::warn!(%status, reason = %self, "refused");
        let message = self.to_string();
        let field = match self {
            Self::Malformed(error) => Some(error.field),
            _ => None,
        };
        (status, Json(Problem { field, message })).into_response()
    }
}
