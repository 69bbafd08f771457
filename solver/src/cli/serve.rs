//! `ballast serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Serve the solver-engine API over HTTP, what a driver calls; and, with `[intents]` in the configuration, the service of rebalancing intents.
///
/// `POST /solve` and `POST /notify` are for the driver, `/v1/intents` for vaults' owners; `GET /healthz`, `/metrics` (Prometheus), `/openapi.json` and `/docs` for people. SIGHUP reads
/// the configuration again; SIGTERM and ctrl-c end it after what is in flight is answered. `ballast config` prints every key.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration, in TOML; defaults for mainnet if left out.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen, before what the configuration says; port 0 takes a free one, which the log names.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

impl ServeArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        crate::api::serve(self.config, self.listen)?;
        Ok(ExitCode::SUCCESS)
    }
}
