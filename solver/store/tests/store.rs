//! The store on a database: SQLite's in a file, and PostgreSQL's at `BALLAST_TEST_POSTGRES` if that is set.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{B256, U256};
use ballast_store::{Attempt, Change, Filter, NewIntent, Numbers, Quota, State, Status, Store, StoreError};
use ballast_wire::intent::Intent;
use sqlx::{AssertSqlSafe, Connection, Executor};

const PATIENCE: Duration = Duration::from_secs(5);
const QUOTA: Quota = Quota { live: 1_000_000, notional: f64::INFINITY, a_minute: 1_000_000 };

/// A database of the test's own.
struct Database {
    url: String,
    _folder: tempfile::TempDir,
}

impl Database {
    async fn open(&self) -> Store {
        Store::open(&self.url, PATIENCE).await.unwrap()
    }
}

fn sqlite() -> Database {
    let folder = tempfile::tempdir().unwrap();
    Database { url: format!("sqlite://{}", folder.path().join("intents.db").display()), _folder: folder }
}

/// Each kind of database that is to be had.
async fn databases() -> Vec<Database> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut databases = vec![sqlite()];
    match std::env::var("BALLAST_TEST_POSTGRES") {
        Ok(url) => {
            sqlx::any::install_default_drivers();
            let schema = format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
            connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
            let url = format!("{url}?options[search_path]={schema}");
            databases.push(Database { url, _folder: tempfile::tempdir().unwrap() });
        }
        Err(_) => eprintln!("BALLAST_TEST_POSTGRES is not set: not tested on PostgreSQL"),
    }
    databases
}

fn intent(nonce: u64) -> Intent {
    let mut intent = Intent::from_json(include_bytes!("../../examples/intent.json")).unwrap();
    intent.nonce.0 = U256::from(nonce);
    intent
}

fn new(nonce: u64) -> NewIntent {
    NewIntent { id: format!("{:#x}", B256::from(U256::from(nonce))), intent: intent(nonce), notional: 100.0, at: 1_000 }
}

fn change(status: Status) -> Change {
    Change { status, cause: "a test".to_owned(), numbers: Numbers::from([("gas".to_owned(), "21000".to_owned())]), at: 2_000 }
}

fn attempt(hash: u8) -> Status {
    let attempt = Attempt {
        transaction: B256::repeat_byte(hash),
        sender: Default::default(),
        account_nonce: 7,
        max_fee_per_gas: u128::MAX,
        signed_at: 3,
        raw: vec![1, 2].into(),
        block: None,
    };
    Status::Submitted { slice: 0, attempt: Box::new(attempt) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_twice_is_there_once() {
    for database in databases().await {
        let store = database.open().await;
        let first = store.post(&new(1), &QUOTA).await.unwrap();
        let again = store.post(&new(1), &QUOTA).await.unwrap();
        assert!(first.is_new && !again.is_new);
        assert_eq!(first.record, again.record);
        let other = NewIntent { id: "0xother".into(), ..new(1) };
        assert!(matches!(store.post(&other, &QUOTA).await, Err(StoreError::NonceTaken(id)) if id == new(1).id));
        // Two instances at a time, the same intents.
        let second = database.open().await;
        let mut posts = Vec::new();
        for nonce in 2..12 {
            for store in [&store, &second] {
                let store = store.clone();
                posts.push(tokio::spawn(async move { store.post(&new(nonce), &QUOTA).await.unwrap().is_new }));
            }
        }
        let mut taken = 0;
        for post in posts {
            taken += usize::from(post.await.unwrap());
        }
        assert_eq!(taken, 10);
        let events = second.events(None, 0, 100).await.unwrap();
        assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), (1..=11).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_kept_with_its_time_cause_and_numbers() {
    for database in databases().await {
        let store = database.open().await;
        let mut record = store.post(&new(1), &QUOTA).await.unwrap().record;
        let way = [
            Status::Waiting { reason: "drift".into() },
            Status::Triggered,
            Status::Solved { slice: 0 },
            attempt(1),
            Status::Failed { reason: "reverted".into(), retry_at: 9, failures: 1 },
            Status::Triggered,
            Status::Solved { slice: 0 },
            attempt(2),
            Status::Settled { transaction: Some(B256::repeat_byte(2)) },
        ];
        for status in &way {
            store.advance(&mut record, change(status.clone()), None).await.unwrap();
        }
        store.close().await;
        let store = database.open().await;
        assert_eq!(store.get(&record.id).await.unwrap(), record);
        let events = store.events(Some(&record.id), 0, 100).await.unwrap();
        assert_eq!(events[0].status, Status::Accepted);
        for (event, status) in events[1..].iter().zip(way) {
            assert_eq!((&event.status, event.at, event.cause.as_str()), (&status, 2_000, "a test"));
            assert_eq!(event.numbers["gas"], "21000");
        }
        let slices = store.slices(&record.id).await.unwrap();
        assert_eq!((slices.len(), slices[0].state.as_str(), slices[0].attempts), (1, "settled", 2));
        assert_eq!(slices[0].transaction, B256::repeat_byte(2).to_string());
        // What is done stays so.
        let refused = store.advance(&mut record, change(Status::Triggered), None).await;
        assert!(matches!(refused, Err(StoreError::Forbidden { from: State::Settled, to: State::Triggered })));
        assert_eq!(store.live(record.intent.chain_id).await.unwrap().0, []);
        assert_eq!(store.counts().await.unwrap(), [(State::Settled, 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_changes_at_a_time_one_is_refused() {
    for database in databases().await {
        let store = database.open().await;
        let mut mine = store.post(&new(1), &QUOTA).await.unwrap().record;
        let mut other = mine.clone();
        store.advance(&mut mine, change(Status::Triggered), None).await.unwrap();
        let late = store.advance(&mut other, change(Status::Cancelled), None).await;
        assert!(matches!(late, Err(StoreError::Changed(_))));
        // Of several together, the one that is late is left out.
        let mut third = store.post(&new(2), &QUOTA).await.unwrap().record;
        let both = vec![(&mut other, change(Status::Cancelled)), (&mut third, change(Status::Triggered))];
        let done = store.advance_all(both, None).await.unwrap();
        assert_eq!(done.iter().map(|event| event.intent.clone()).collect::<Vec<_>>(), [new(2).id]);
        assert_eq!((&third, other.status), (&store.get(&third.id).await.unwrap(), Status::Accepted));
        assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 4);
        let (changed, last) = store.changed(mine.intent.chain_id, 1).await.unwrap();
        assert_eq!((changed, last), (vec![mine, third], 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_lease_changes_nothing() {
    for database in databases().await {
        let [one, two] = [database.open().await, database.open().await];
        let mut record = one.post(&new(1), &QUOTA).await.unwrap().record;
        let mut held = one.lease("chain:1", "one", 0, 100).await.unwrap().unwrap();
        assert!(two.lease("chain:1", "two", 99, 200).await.unwrap().is_none());
        assert!(one.prolong(&mut held, 150).await.unwrap());
        assert!(two.lease("chain:1", "two", 149, 200).await.unwrap().is_none());
        let taken = two.lease("chain:1", "two", 150, 250).await.unwrap().unwrap();
        assert!(taken.token > held.token && !one.prolong(&mut held, 300).await.unwrap());
        let mut stale = record.clone();
        assert!(matches!(one.advance(&mut stale, change(Status::Triggered), Some(&held)).await, Err(StoreError::LeaseLost)));
        two.advance(&mut record, change(Status::Triggered), Some(&taken)).await.unwrap();
        // Given back, it is free at once, and not to be had twice.
        two.release(&taken).await.unwrap();
        one.release(&held).await.unwrap();
        let next = one.lease("chain:1", "one", 151, 300).await.unwrap().unwrap();
        assert!(next.token > taken.token);
        assert!(matches!(two.advance(&mut record, change(Status::Triggered), Some(&taken)).await, Err(StoreError::LeaseLost)));
    }
}

/// On one machine nobody waits for the lease of a process that is gone; whoever is merely slow keeps theirs until it ends.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_has_no_lease() {
    let database = sqlite();
    let [one, two] = [database.open().await, database.open().await];
    let gone = one.lease("chain:1", "one", 0, 1_000).await.unwrap().unwrap();
    assert!(two.lease("chain:1", "two", 1, 1_000).await.unwrap().is_none());
    // What a process leaves behind when it is killed: the row, and a lock that nobody holds.
    drop(gone);
    let mut slow = two.lease("chain:1", "two", 2, 100).await.unwrap().unwrap();
    let taken = one.lease("chain:1", "three", 100, 1_000).await.unwrap().unwrap();
    // It comes back, has lost it, and lets go: that says nothing of the one who has it now.
    assert!(!two.prolong(&mut slow, 200).await.unwrap());
    drop(slow);
    assert!(two.lease("chain:1", "two", 101, 1_000).await.unwrap().is_none());
    // Another chain's is another's.
    assert!(two.lease("chain:2", "two", 101, 1_000).await.unwrap().is_some());
    one.release(&taken).await.unwrap();
    assert!(two.lease("chain:1", "two", 102, 1_000).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_a_quota() {
    for database in databases().await {
        let store = database.open().await;
        let quota = Quota { live: 3, notional: 250.0, a_minute: 4 };
        let mut first = store.post(&new(1), &quota).await.unwrap().record;
        store.post(&new(2), &quota).await.unwrap();
        assert!(matches!(store.post(&new(3), &quota).await, Err(StoreError::TooLarge { total: 300.0, most: 250.0, .. })));
        let nothing = |nonce| NewIntent { notional: 0.0, ..new(nonce) };
        store.post(&nothing(3), &quota).await.unwrap();
        assert!(matches!(store.post(&nothing(4), &quota).await, Err(StoreError::TooMany { have: 3, most: 3 })));
        store.advance(&mut first, change(Status::Cancelled), None).await.unwrap();
        store.post(&nothing(4), &quota).await.unwrap();
        store.advance(&mut store.get(&new(2).id).await.unwrap(), change(Status::Cancelled), None).await.unwrap();
        assert!(matches!(store.post(&nothing(5), &quota).await, Err(StoreError::TooFast { most: 4 })));
        // A minute later; and what is there already is never too much.
        store.post(&NewIntent { at: 61_001, ..nothing(5) }, &quota).await.unwrap();
        assert!(!store.post(&new(1), &quota).await.unwrap().is_new);
        let nan = NewIntent { notional: f64::NAN, at: 200_000, ..new(6) };
        let quota = Quota { live: 9, ..quota };
        assert!(matches!(store.post(&nan, &quota).await, Err(StoreError::TooLarge { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    for database in databases().await {
        let store = database.open().await;
        for nonce in 1..=7 {
            store.post(&new(nonce), &QUOTA).await.unwrap();
        }
        store.advance(&mut store.get(&new(4).id).await.unwrap(), change(Status::Triggered), None).await.unwrap();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = store.list(Filter::default(), before, 3).await.unwrap();
            seen.extend(page.intents.iter().map(|record| record.created));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
        let state = Filter { state: Some(State::Triggered), ..Filter::default() };
        assert_eq!(store.list(state, None, 10).await.unwrap().intents.len(), 1);
        let nobody = Filter { owner: Some(alloy_primitives::Address::repeat_byte(9)), ..Filter::default() };
        assert_eq!(store.list(nobody, None, 10).await.unwrap().intents, []);
        let owner = Filter { owner: Some(intent(1).owner), ..Filter::default() };
        assert_eq!(store.list(owner, None, 10).await.unwrap().intents.len(), 7);
    }
}

/// Reading goes on, writing says why it does not, and nothing of what was there is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_said_to_be_busy() {
    let database = sqlite();
    let store = Store::open(&database.url, Duration::from_secs(1)).await.unwrap();
    store.post(&new(1), &QUOTA).await.unwrap();
    let mut other = sqlx::AnyConnection::connect(&database.url).await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    assert!(matches!(store.post(&new(2), &QUOTA).await, Err(StoreError::Busy)));
    assert_eq!(store.get(&new(1).id).await.unwrap().status, Status::Accepted);
    assert!(matches!(store.probe().await, Err(StoreError::Busy)));
    other.execute("ROLLBACK").await.unwrap();
    store.probe().await.unwrap();
    assert!(store.post(&new(2), &QUOTA).await.unwrap().is_new);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_is_named_without_its_password() {
    let error = Store::open("mysql://user:secret@host/db", PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("mysql") && error.contains("sqlite://") && !error.contains("secret"), "{error}");
}
