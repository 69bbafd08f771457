//! How the types of other crates look in an OpenAPI document.

use utoipa::ToSchema;

/// A contract or an account.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{40}$", example = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")]
pub struct Address(());

/// 32 bytes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{64}$")]
pub struct Hash(());

/// The 56 bytes that name an order: digest, owner, expiry.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x[0-9a-fA-F]{112}$")]
pub struct Uid(());

/// Any bytes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^0x([0-9a-fA-F]{2})*$")]
pub struct Hex(());

/// A whole number.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = "^[0-9]+$")]
pub struct Integer(());
