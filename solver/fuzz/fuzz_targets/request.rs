//! Any bytes as a request: read, laid out, and solved with little work; whatever is found must verify.
#![no_main]

use ballast_solver::auction::Auction;
use ballast_solver::config::Config;
use ballast_solver::engine::run;
use ballast_solver::settlement::verify;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let request = match ballast_wire::Auction::from_json(bytes) {
        Ok(request) => request,
        Err(error) => return assert!(!error.field.is_empty() && !error.reason.is_empty(), "{error}"),
    };
    let auction = Auction::new(&request, |_| true);
    let config = Config { work_per_order: 10_000, ..Config::default() };
    for solution in run(&auction, &config, &|| false).solutions() {
        verify(&auction, &config, solution).expect("our own solution does not verify");
    }
});
