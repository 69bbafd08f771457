//! Why a request is not answered as asked.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ballast_store::StoreError;
use ballast_wire::RequestError;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
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
    /// What asks for something else than what there is.
    #[error("{0}")]
    Conflict(String),
    /// What nothing can be done with.
    #[error("{0}")]
    Unprocessable(String),
    /// Something that it takes does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The database says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// Something is wrong with a field.
    pub(crate) fn field(field: &str, reason: String) -> Self {
        Self::Malformed(RequestError { field: field.to_owned(), reason })
    }

    /// In one word, for figures.
    pub(crate) fn kind(&self) -> &'static str {
        match self.status().as_u16() {
            400..=408 | 413 | 422 => "malformed",
            409 => "conflict",
            429 => "quota",
            _ => "unavailable",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Broken(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Config(_) | Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Store(error) => match error {
                StoreError::Unknown(_) => StatusCode::NOT_FOUND,
                StoreError::NonceTaken(_) | StoreError::Changed(_) | StoreError::Forbidden { .. } => StatusCode::CONFLICT,
                StoreError::TooMany { .. } | StoreError::TooLarge { .. } | StoreError::TooFast { .. } => {
                    StatusCode::TOO_MANY_REQUESTS
                }
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }
}

/// What the body of a refusal says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The path of the field that is wrong, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong.
    message: String,
}

/// What any request may come to.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the API's document says of refusals")]
pub(crate) enum Failing {
    /// A defect of the service; its log says more
    #[response(status = 500)]
    Internal(Problem),
    /// The database, the node or something else that it takes does not answer, or too many requests come at a time: nothing is changed
    #[response(status = 503)]
    Unavailable(Problem),
}

/// What a request with a body may come to.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "what the API's document says of refusals")]
pub(crate) enum Unread {
    /// The body took too long to arrive
    #[response(status = 408)]
    Slow(Problem),
    /// The body is too large
    #[response(status = 413)]
    TooLarge(Problem),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        tracing::warn!(%status, reason = %self, "refused");
        let message = self.to_string();
        let field = match self {
            Self::Malformed(error) => Some(error.field),
            Self::Store(StoreError::NonceTaken(_)) => Some("nonce".to_owned()),
            Self::Store(StoreError::TooMany { .. } | StoreError::TooLarge { .. } | StoreError::TooFast { .. }) => {
                Some("owner".to_owned())
            }
            _ => None,
        };
        (status, Json(Problem { field, message })).into_response()
    }
}
