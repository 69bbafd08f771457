//! Many questions to a chain in few calls.

use alloy::eips::BlockNumberOrTag;
use alloy::rpc::client::RpcClient;
use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use ballast_adapters::chain::View;
use serde_json::json;

use super::node::Liar;
use super::world::World;

sol! {
    #[derive(Debug)]
    function balanceOf(address owner) external view returns (uint256);
}

/// Answers to many questions together, and to each by itself, with how many calls were made for the many.
fn asked(world: &World, lie: fn(&str, &mut serde_json::Value)) -> usize {
    let deployed = world.devnet.deployment();
    let (token, vault) = (deployed.tokens["USDC"], deployed.rebalancing.unwrap().vault);
    // Contracts that no other should suffer from: one never ends, one fails, one says a megabyte (of which the first word is its answer), one says nothing.
    let hostile = [("0x5b5f56", 0xe1), ("0x5f5ffd", 0xe2), ("0x620fffff5ff3", 0xe3), ("0x", 0xe4)];
    for (code, byte) in hostile {
        world.call("anvil_setCode", json!([Address::repeat_byte(byte), code]));
    }
    let owner = |n: u64| if n == 150 { vault } else { Address::from_word(U256::from(n + 1).into()) };
    let mut questions: Vec<_> = (0..300).map(|n| (token, balanceOfCall { owner: owner(n) })).collect();
    for (place, (_, byte)) in [40, 41, 130, 299].into_iter().zip(hostile) {
        questions[place].0 = Address::repeat_byte(byte);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let node = Liar::before(&world.rpc, lie);
    runtime.block_on(async {
        let view = View::new(RpcClient::new_http(node.url.parse().unwrap()), BlockNumberOrTag::Latest).await.unwrap();
        let together = view.ask(questions.clone()).await.unwrap();
        let calls = node.was_asked("eth_call");
        assert!(together[150].as_ref().is_ok_and(|balance| !balance.is_zero()));
        assert_eq!(together.iter().filter(|answer| answer.is_err()).count(), 3);
        for ((contract, call), answer) in questions.into_iter().zip(together) {
            assert_eq!(view.ask_one(contract, call).await.unwrap(), answer);
        }
        calls
    })
}

#[test]
fn many_questions_are_answered_in_few_calls_as_each_is_by_itself() {
    let world = World::new("many");
    // Three calls for all of them, and one for each that has no answer so.
    assert_eq!(asked(&world, |_, _| {}), 3 + 4);
    // A node that runs no such calls costs them, and nothing else.
    let refuses = |_: &str, answer: &mut serde_json::Value| {
        if answer["result"].as_str().is_some_and(|result| result.len() > 2_000 && result.len() < 100_000) {
            let error = json!({ "code": -32000, "message": "max initcode size exceeded" });
            *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
        }
    };
    assert_eq!(asked(&world, refuses), 3 + 300);
}
