CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE accounts (
    jid TEXT COLLATE "C" NOT NULL, 
    host TEXT COLLATE "C" NOT NULL, 
    enabled SMALLINT NOT NULL, 
    created BIGINT NOT NULL, 
    credentials TEXT NOT NULL, 
    roster_version BIGINT NOT NULL, 
    PRIMARY KEY (jid)
);

CREATE INDEX accounts_by_host ON accounts (host, jid);

CREATE TABLE roster (
    owner TEXT COLLATE "C" NOT NULL, 
    contact TEXT COLLATE "C" NOT NULL, 
    name TEXT NOT NULL, 
    subscription TEXT NOT NULL, 
    ask SMALLINT NOT NULL, 
    approved SMALLINT NOT NULL, 
    groups TEXT NOT NULL, 
    pending_in BYTEA, 
    PRIMARY KEY (owner, contact)
);

CREATE TABLE offline (
    owner TEXT COLLATE "C" NOT NULL, 
    id TEXT COLLATE "C" NOT NULL, 
    stamp BIGINT NOT NULL, 
    stanza BYTEA NOT NULL, 
    PRIMARY KEY (owner, id)
);

CREATE TABLE documents (
    owner TEXT COLLATE "C" NOT NULL, 
    kind TEXT COLLATE "C" NOT NULL, 
    key TEXT COLLATE "C" NOT NULL, 
    data BYTEA NOT NULL, 
    PRIMARY KEY (owner, kind, key)
);

CREATE TABLE sessions (
    token TEXT COLLATE "C" NOT NULL, 
    owner TEXT COLLATE "C" NOT NULL, 
    jid TEXT COLLATE "C" NOT NULL, 
    expires BIGINT NOT NULL, 
    data BYTEA NOT NULL, 
    PRIMARY KEY (token)
);

CREATE INDEX sessions_by_owner ON sessions (owner);

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING alembic_version.version_num;

