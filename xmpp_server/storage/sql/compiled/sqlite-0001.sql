CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE accounts (
    jid TEXT NOT NULL, 
    host TEXT NOT NULL, 
    enabled SMALLINT NOT NULL, 
    created BIGINT NOT NULL, 
    credentials TEXT NOT NULL, 
    roster_version BIGINT NOT NULL, 
    PRIMARY KEY (jid)
)
 WITHOUT ROWID;

CREATE INDEX accounts_by_host ON accounts (host, jid);

CREATE TABLE roster (
    owner TEXT NOT NULL, 
    contact TEXT NOT NULL, 
    name TEXT NOT NULL, 
    subscription TEXT NOT NULL, 
    ask SMALLINT NOT NULL, 
    approved SMALLINT NOT NULL, 
    groups TEXT NOT NULL, 
    pending_in BLOB, 
    PRIMARY KEY (owner, contact)
)
 WITHOUT ROWID;

CREATE TABLE offline (
    owner TEXT NOT NULL, 
    id TEXT NOT NULL, 
    stamp BIGINT NOT NULL, 
    stanza BLOB NOT NULL, 
    PRIMARY KEY (owner, id)
);

CREATE TABLE documents (
    owner TEXT NOT NULL, 
    kind TEXT NOT NULL, 
    "key" TEXT NOT NULL, 
    data BLOB NOT NULL, 
    PRIMARY KEY (owner, kind, "key")
);

CREATE TABLE sessions (
    token TEXT NOT NULL, 
    owner TEXT NOT NULL, 
    jid TEXT NOT NULL, 
    expires BIGINT NOT NULL, 
    data BLOB NOT NULL, 
    PRIMARY KEY (token)
);

CREATE INDEX sessions_by_owner ON sessions (owner);

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING version_num;

