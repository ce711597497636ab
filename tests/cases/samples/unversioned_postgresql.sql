-- The tables of a database without a schema version, as releases before the first migration made them.
CREATE TABLE gaps (
    cluster VARCHAR(14) NOT NULL,
    metric VARCHAR(64) NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    "group" VARCHAR(32) NOT NULL,
    machine VARCHAR(64) NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (cluster, metric, time, "group", machine)
);
CREATE INDEX gaps_cluster_time ON gaps (cluster, time);
CREATE TABLE samples (
    cluster VARCHAR(14) NOT NULL,
    metric VARCHAR(64) NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    "group" VARCHAR(32) NOT NULL,
    machine VARCHAR(64) NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    unit VARCHAR(16) NOT NULL,
    PRIMARY KEY (cluster, metric, time, "group", machine)
);
CREATE INDEX samples_cluster_time ON samples (cluster, time);
CREATE TABLE alarm_deliveries (
    number SERIAL NOT NULL,
    cluster VARCHAR(14) NOT NULL,
    service VARCHAR(128) NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE NOT NULL,
    title VARCHAR NOT NULL,
    body VARCHAR NOT NULL,
    level VARCHAR(8) NOT NULL,
    outcome VARCHAR(8) NOT NULL,
    attempts INTEGER NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (number)
);
CREATE INDEX ix_alarm_deliveries_cluster ON alarm_deliveries (cluster);
CREATE TABLE alarm_states (
    cluster VARCHAR(14) NOT NULL,
    rule VARCHAR(40) NOT NULL,
    "group" VARCHAR(32) NOT NULL,
    machine VARCHAR(64) NOT NULL,
    phase VARCHAR(8) NOT NULL,
    level VARCHAR(8) NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    value DOUBLE PRECISION,
    PRIMARY KEY (cluster, rule, "group", machine)
);
CREATE TABLE alarm_steps (
    number SERIAL NOT NULL,
    cluster VARCHAR(14) NOT NULL,
    rule VARCHAR(40) NOT NULL,
    "group" VARCHAR(32) NOT NULL,
    machine VARCHAR(64) NOT NULL,
    phase VARCHAR(8) NOT NULL,
    level VARCHAR(8) NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    value DOUBLE PRECISION,
    PRIMARY KEY (number)
);
CREATE INDEX ix_alarm_steps_cluster ON alarm_steps (cluster);
CREATE TABLE lives (
    cluster VARCHAR(14) NOT NULL,
    resource VARCHAR(32) NOT NULL,
    "group" VARCHAR(32) NOT NULL,
    kind VARCHAR(64) NOT NULL,
    units INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (cluster, resource)
);
