-- The same for SQLite and PostgreSQL. Times are Unix milliseconds; states, reasons and numbers are what the events say in JSON.

-- The number of the last event. Every change takes the next one under this row's lock, so that events are numbered in the order in which they
-- are committed: who reads on from a number misses none.
CREATE TABLE position (
    last BIGINT NOT NULL
);
INSERT INTO position (last) VALUES (0);

CREATE TABLE intents (
    id TEXT PRIMARY KEY,
    -- The number of the event with which it came: the order of listing.
    created BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    chain BIGINT NOT NULL,
    settlement TEXT NOT NULL,
    owner TEXT NOT NULL,
    nonce TEXT NOT NULL,
    numeraire TEXT NOT NULL,
    -- What it may move at the most, in the numeraire.
    notional DOUBLE PRECISION NOT NULL,
    document TEXT NOT NULL,
    -- The rest follows from its events, and is written with them.
    live BIGINT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    changes BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (chain, settlement, owner, nonce)
);
CREATE INDEX intents_of_owner ON intents (owner, created);
-- What an owner's quota is counted from, without a look at the intents themselves.
CREATE INDEX intents_live_of_owner ON intents (owner, live, numeraire, notional);
CREATE INDEX intents_lately_of_owner ON intents (owner, created_at);
CREATE INDEX intents_live ON intents (live, created);
CREATE INDEX intents_changed ON intents (changed);
CREATE INDEX intents_state ON intents (state, created);

-- The audit trail: only ever added to.
CREATE TABLE events (
    position BIGINT PRIMARY KEY,
    intent TEXT NOT NULL REFERENCES intents (id),
    change BIGINT NOT NULL,
    at BIGINT NOT NULL,
    cause TEXT NOT NULL,
    status TEXT NOT NULL,
    numbers TEXT NOT NULL,
    UNIQUE (intent, change)
);

-- The settlements that an intent takes, one by one.
CREATE TABLE slices (
    intent TEXT NOT NULL REFERENCES intents (id),
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    attempted_tx TEXT NOT NULL,
    PRIMARY KEY (intent, number)
);

-- Who may work. The token grows with each holder, so that one who has been away too long is known.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL,
    until BIGINT NOT NULL
);
