CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE deadman_pauses (
	id VARCHAR(36) NOT NULL,
	begins_at BIGINT NOT NULL,
	ends_at BIGINT NOT NULL,
	reason TEXT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE detect_alerts (
	id VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	rule VARCHAR(128) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	first VARCHAR(64) NOT NULL,
	event_kind VARCHAR(64) NOT NULL,
	writer VARCHAR(128) NOT NULL,
	event_writer VARCHAR(128) NOT NULL,
	exception VARCHAR(36) NOT NULL,
	state VARCHAR(16) NOT NULL,
	assignee VARCHAR(128) NOT NULL,
	disposition VARCHAR(32) NOT NULL,
	assessed_by VARCHAR(128) NOT NULL,
	name TEXT NOT NULL,
	title TEXT NOT NULL,
	server TEXT NOT NULL,
	target TEXT NOT NULL,
	principal TEXT NOT NULL,
	"group" TEXT NOT NULL,
	labels TEXT NOT NULL,
	news TEXT NOT NULL,
	event TEXT NOT NULL,
	note TEXT NOT NULL,
	time BIGINT NOT NULL,
	count BIGINT NOT NULL,
	last_time BIGINT NOT NULL,
	event_time BIGINT NOT NULL,
	"index" BIGINT NOT NULL,
	event_index BIGINT NOT NULL,
	assessed_at BIGINT NOT NULL,
	severity INTEGER NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE detect_assessments (
	event VARCHAR(64) NOT NULL,
	alert VARCHAR(64) NOT NULL,
	time BIGINT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	act VARCHAR(16) NOT NULL,
	was VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	assignee VARCHAR(128) NOT NULL,
	disposition VARCHAR(32) NOT NULL,
	note TEXT NOT NULL,
	PRIMARY KEY (event)
);
CREATE TABLE detect_cursors (
	reader VARCHAR(64) NOT NULL,
	writer VARCHAR(128) NOT NULL,
	"index" INTEGER NOT NULL,
	PRIMARY KEY (reader, writer)
);
CREATE TABLE detect_exceptions (
	id VARCHAR(36) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	rule VARCHAR(128) NOT NULL,
	"where" TEXT NOT NULL,
	condition TEXT NOT NULL,
	reason TEXT NOT NULL,
	author VARCHAR(128) NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	over_critical BOOLEAN NOT NULL,
	ended_at BIGINT NOT NULL,
	ended_by VARCHAR(128) NOT NULL,
	ended_because TEXT NOT NULL,
	held BIGINT NOT NULL,
	last_held_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE detect_hunt_runs (
	id VARCHAR(36) NOT NULL,
	hunt VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	at BIGINT NOT NULL,
	run TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE detect_hunt_schedules (
	hunt VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	last_at BIGINT NOT NULL,
	schedule TEXT NOT NULL,
	digests TEXT NOT NULL,
	PRIMARY KEY (hunt, tenant)
);
CREATE TABLE detect_memories (
	reader VARCHAR(64) NOT NULL,
	memory VARCHAR(32) NOT NULL,
	"key" TEXT NOT NULL,
	value BLOB NOT NULL,
	sum BLOB NOT NULL,
	PRIMARY KEY (reader, memory, "key")
);
CREATE TABLE detect_outbox (
	id VARCHAR(36) NOT NULL,
	reader VARCHAR(64) NOT NULL,
	seq INTEGER NOT NULL,
	writer VARCHAR(128) NOT NULL,
	since BIGINT NOT NULL,
	record BLOB NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE detect_queue_cursor (
	writer VARCHAR(128) NOT NULL,
	"index" BIGINT NOT NULL,
	PRIMARY KEY (writer)
);
CREATE TABLE detect_rules (
	rule VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	"by" VARCHAR(200) NOT NULL,
	reason TEXT NOT NULL,
	at BIGINT NOT NULL,
	anyway BOOLEAN NOT NULL,
	simulated VARCHAR(64) NOT NULL,
	simulated_at BIGINT NOT NULL,
	days INTEGER NOT NULL,
	wakes INTEGER NOT NULL,
	PRIMARY KEY (rule)
);
CREATE TABLE gateway_approvals (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	binding VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	principal TEXT NOT NULL,
	server TEXT NOT NULL,
	method TEXT NOT NULL,
	target TEXT NOT NULL,
	definition TEXT NOT NULL,
	policy VARCHAR(64) NOT NULL,
	arguments TEXT NOT NULL,
	rules TEXT NOT NULL,
	reason TEXT NOT NULL,
	requirements TEXT NOT NULL,
	votes TEXT NOT NULL,
	seconds INTEGER NOT NULL,
	grant_seconds INTEGER NOT NULL,
	count INTEGER NOT NULL,
	requested_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	because TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE TABLE gateway_bundle_moves (
	tenant VARCHAR(64) NOT NULL,
	stamp BIGINT NOT NULL,
	version BIGINT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (tenant, stamp)
);
CREATE TABLE gateway_bundles (
	tenant VARCHAR(64) NOT NULL,
	version BIGINT NOT NULL,
	digest VARCHAR(64) NOT NULL,
	description TEXT NOT NULL,
	created VARCHAR(64) NOT NULL,
	signers TEXT NOT NULL,
	envelope TEXT NOT NULL,
	installed_by VARCHAR(128) NOT NULL,
	installed_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, version)
);
CREATE TABLE gateway_clients (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	groups TEXT NOT NULL,
	created_by VARCHAR(128) NOT NULL,
	created_at BIGINT NOT NULL,
	revoked_by VARCHAR(128) NOT NULL,
	revoked_at BIGINT NOT NULL, scopes TEXT DEFAULT '' NOT NULL, servers TEXT DEFAULT '' NOT NULL, expires_at BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, digest)
);
CREATE TABLE gateway_endings (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	place VARCHAR(64) NOT NULL,
	verb VARCHAR(16) NOT NULL,
	target TEXT NOT NULL,
	asked TEXT NOT NULL,
	gateway VARCHAR(64) NOT NULL,
	process VARCHAR(64) NOT NULL,
	generation BIGINT NOT NULL,
	meant TEXT NOT NULL,
	answer TEXT NOT NULL,
	begun_at BIGINT NOT NULL,
	done_at BIGINT NOT NULL,
	told_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id, place)
);
CREATE TABLE gateway_flow (
	tenant VARCHAR(64) NOT NULL,
	principal TEXT NOT NULL,
	server TEXT NOT NULL,
	bits INTEGER NOT NULL,
	at BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	PRIMARY KEY (tenant, principal, server, bits)
);
CREATE TABLE gateway_generations (
	tenant VARCHAR(64) NOT NULL,
	subject VARCHAR(32) NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (tenant, subject)
);
CREATE TABLE gateway_grants (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	principal TEXT NOT NULL,
	server VARCHAR(64) NOT NULL,
	issuer TEXT NOT NULL,
	resource TEXT NOT NULL,
	client TEXT NOT NULL,
	scope TEXT NOT NULL,
	sealed TEXT NOT NULL,
	leased_until BIGINT NOT NULL,
	created_by VARCHAR(128) NOT NULL,
	created_at BIGINT NOT NULL,
	renewed_at BIGINT NOT NULL,
	ended_by VARCHAR(128) NOT NULL,
	ended_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE TABLE gateway_orders (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	"key" TEXT NOT NULL,
	kind VARCHAR(32) NOT NULL,
	target TEXT NOT NULL,
	reason TEXT NOT NULL,
	issued_by VARCHAR(128) NOT NULL,
	issued_at BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	incident VARCHAR(64) NOT NULL,
	lifted_by VARCHAR(128) NOT NULL,
	lifted_at BIGINT NOT NULL,
	lifted_because TEXT NOT NULL, run VARCHAR(64) DEFAULT '' NOT NULL, asked_by TEXT DEFAULT '' NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE TABLE gateway_processes (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	socket TEXT NOT NULL,
	host VARCHAR(256) NOT NULL,
	pid INTEGER NOT NULL,
	birth VARCHAR(64) NOT NULL,
	started BIGINT NOT NULL,
	heartbeat BIGINT NOT NULL,
	acknowledged BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE TABLE gateway_revocations (
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	"key" TEXT NOT NULL,
	what VARCHAR(16) NOT NULL,
	name TEXT NOT NULL,
	issued_before BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	reason TEXT NOT NULL,
	revoked_by VARCHAR(128) NOT NULL,
	revoked_at BIGINT NOT NULL,
	incident VARCHAR(64) NOT NULL,
	lifted_by VARCHAR(128) NOT NULL,
	lifted_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE TABLE gateway_taints (
	tenant VARCHAR(64) NOT NULL,
	principal TEXT NOT NULL,
	order_id VARCHAR(64) NOT NULL,
	generation BIGINT NOT NULL,
	PRIMARY KEY (tenant, principal, order_id)
);
CREATE TABLE gateway_tasks (
	tenant VARCHAR(64) NOT NULL,
	digest VARCHAR(64) NOT NULL,
	principal TEXT NOT NULL,
	tool TEXT NOT NULL,
	generation BIGINT NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, digest)
);
CREATE TABLE gateway_values (
	tenant VARCHAR(64) NOT NULL,
	owner TEXT NOT NULL,
	name VARCHAR(16) NOT NULL,
	sealed TEXT NOT NULL,
	until BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	PRIMARY KEY (tenant, owner, name)
);
CREATE TABLE oncall_cursor (
	writer VARCHAR(128) NOT NULL,
	"index" BIGINT NOT NULL,
	PRIMARY KEY (writer)
);
CREATE TABLE oncall_escalations (
	incident VARCHAR(36) NOT NULL,
	number VARCHAR(32) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	title TEXT NOT NULL,
	severity INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	round INTEGER NOT NULL,
	rung INTEGER NOT NULL,
	hurry BOOLEAN NOT NULL,
	pages BOOLEAN NOT NULL,
	stepped_at BIGINT NOT NULL,
	opened_at BIGINT NOT NULL,
	told_at BIGINT NOT NULL,
	acknowledged_at BIGINT NOT NULL,
	acknowledged_by TEXT NOT NULL,
	acknowledged_severity INTEGER NOT NULL,
	first_acknowledged_at BIGINT NOT NULL,
	PRIMARY KEY (incident)
);
CREATE TABLE oncall_handovers (
	id VARCHAR(36) NOT NULL,
	seq INTEGER NOT NULL,
	rota VARCHAR(64) NOT NULL,
	outgoing VARCHAR(64) NOT NULL,
	incoming VARCHAR(64) NOT NULL,
	at BIGINT NOT NULL,
	report TEXT NOT NULL,
	accepted_at BIGINT NOT NULL,
	accepted_by TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE oncall_overrides (
	id VARCHAR(36) NOT NULL,
	rota VARCHAR(64) NOT NULL,
	person VARCHAR(64) NOT NULL,
	begins_at BIGINT NOT NULL,
	ends_at BIGINT NOT NULL,
	reason TEXT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE oncall_pages (
	id VARCHAR(64) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	number VARCHAR(32) NOT NULL,
	title TEXT NOT NULL,
	severity INTEGER NOT NULL,
	person VARCHAR(64) NOT NULL,
	channel VARCHAR(64) NOT NULL,
	round INTEGER NOT NULL,
	rung INTEGER NOT NULL,
	level INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	why TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	made_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	attempts INTEGER NOT NULL, thread VARCHAR(64) DEFAULT '' NOT NULL, owes VARCHAR(16) DEFAULT '' NOT NULL, answer_due_at BIGINT DEFAULT '0' NOT NULL, answer_attempts INTEGER DEFAULT '0' NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE oncall_quiet (
	person VARCHAR(64) NOT NULL,
	ends_at BIGINT NOT NULL,
	reason TEXT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	made_at BIGINT NOT NULL,
	PRIMARY KEY (person)
);
CREATE TABLE operators_persons (
	tenant VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	role VARCHAR(16) NOT NULL,
	invited_by VARCHAR(128) NOT NULL,
	invited_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, name)
);
CREATE TABLE operators_tokens (
	secret_hash VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	id VARCHAR(64) NOT NULL,
	operator VARCHAR(64) NOT NULL,
	scopes TEXT NOT NULL,
	issued_by VARCHAR(128) NOT NULL,
	issued_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT NOT NULL,
	revoked_at BIGINT NOT NULL,
	PRIMARY KEY (secret_hash),
	UNIQUE (id)
);
CREATE TABLE registry_contents (
	tenant VARCHAR(64) NOT NULL,
	fingerprint VARCHAR(80) NOT NULL,
	canonical BLOB NOT NULL,
	PRIMARY KEY (tenant, fingerprint)
);
CREATE TABLE "registry_definitions" (
	tenant VARCHAR(64) NOT NULL,
	"key" VARCHAR(64) NOT NULL,
	fingerprint VARCHAR(80) NOT NULL,
	server VARCHAR(128) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	name TEXT NOT NULL,
	findings BLOB NOT NULL,
	first_seen BIGINT NOT NULL,
	PRIMARY KEY (tenant, "key", fingerprint)
);
CREATE TABLE registry_generations (
	tenant VARCHAR(64) NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (tenant)
);
CREATE TABLE registry_pins (
	tenant VARCHAR(64) NOT NULL,
	"key" VARCHAR(64) NOT NULL,
	server VARCHAR(128) NOT NULL,
	kind VARCHAR(32) NOT NULL,
	name TEXT NOT NULL,
	state VARCHAR(32) NOT NULL,
	pinned VARCHAR(80) NOT NULL,
	pinned_as VARCHAR(32) NOT NULL,
	seen VARCHAR(80) NOT NULL,
	reason TEXT NOT NULL,
	held_by VARCHAR(128) NOT NULL,
	approved_by VARCHAR(128) NOT NULL,
	approved_at BIGINT NOT NULL,
	first_seen BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	generation BIGINT NOT NULL, change VARCHAR(16) DEFAULT '' NOT NULL, origin VARCHAR(16) DEFAULT '' NOT NULL, origin_of TEXT DEFAULT '' NOT NULL, pruned BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (tenant, "key")
);
CREATE TABLE respond_alerts (
	id VARCHAR(64) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	time BIGINT NOT NULL,
	alert TEXT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_counters (
	name VARCHAR(128) NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE respond_cursor (
	writer VARCHAR(128) NOT NULL,
	"index" BIGINT NOT NULL,
	PRIMARY KEY (writer)
);
CREATE TABLE respond_deliveries (
	id VARCHAR(64) NOT NULL,
	integration VARCHAR(64) NOT NULL,
	incident VARCHAR(64) NOT NULL,
	thread VARCHAR(200) NOT NULL,
	seq BIGINT NOT NULL,
	state VARCHAR(16) NOT NULL,
	attempts INTEGER NOT NULL,
	due_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	is_doubtful BOOLEAN NOT NULL,
	errand TEXT NOT NULL,
	receipt TEXT NOT NULL,
	why TEXT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE respond_effort (
	id VARCHAR(36) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	time BIGINT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	minutes INTEGER NOT NULL,
	what TEXT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_epochs (
	tenant VARCHAR(64) NOT NULL,
	epoch BIGINT NOT NULL,
	PRIMARY KEY (tenant)
);
CREATE TABLE respond_gates (
	id VARCHAR(36) NOT NULL,
	run VARCHAR(36) NOT NULL,
	strand VARCHAR(200) NOT NULL,
	step VARCHAR(80) NOT NULL,
	seq INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	opened_at BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	due_steady BIGINT NOT NULL,
	boot VARCHAR(64) NOT NULL,
	decided_at BIGINT NOT NULL,
	level INTEGER NOT NULL,
	binding VARCHAR(80) NOT NULL,
	spec TEXT NOT NULL,
	votes TEXT NOT NULL,
	said TEXT NOT NULL,
	carrier VARCHAR(36) NOT NULL,
	is_taken BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run) REFERENCES respond_runs (id)
);
CREATE TABLE respond_heard (
	hook VARCHAR(64) NOT NULL,
	id VARCHAR(256) NOT NULL,
	at BIGINT NOT NULL,
	done BOOLEAN NOT NULL, held_until BIGINT DEFAULT '0' NOT NULL,
	PRIMARY KEY (hook, id)
);
CREATE TABLE respond_history (
	seq INTEGER NOT NULL,
	incident VARCHAR(36) NOT NULL,
	time BIGINT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	field VARCHAR(32) NOT NULL,
	was TEXT NOT NULL,
	becomes TEXT NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (seq),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_holders (
	tenant VARCHAR(64) NOT NULL,
	epoch BIGINT NOT NULL,
	host TEXT NOT NULL,
	pid INTEGER NOT NULL,
	started BIGINT NOT NULL,
	sessions VARCHAR(64) NOT NULL,
	writer VARCHAR(64) NOT NULL,
	beats BIGINT NOT NULL,
	taken_at BIGINT NOT NULL,
	PRIMARY KEY (tenant)
);
CREATE TABLE "respond_incidents" (
	id VARCHAR(36) NOT NULL,
	number VARCHAR(32) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	"group" TEXT NOT NULL,
	title TEXT NOT NULL,
	severity INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	server TEXT NOT NULL,
	principal TEXT NOT NULL,
	labels TEXT NOT NULL,
	opened_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	last_alert_at BIGINT NOT NULL,
	first_event_at BIGINT NOT NULL,
	alerted_at BIGINT NOT NULL,
	contained_at BIGINT NOT NULL,
	closed_at BIGINT NOT NULL,
	closed_by TEXT NOT NULL,
	close_reason TEXT NOT NULL,
	advice TEXT NOT NULL,
	alert_count INTEGER NOT NULL,
	round INTEGER NOT NULL,
	status VARCHAR(16) NOT NULL,
	assignee VARCHAR(128) NOT NULL,
	acknowledged_by VARCHAR(128) NOT NULL,
	disposition VARCHAR(32) NOT NULL,
	merged_into VARCHAR(36) NOT NULL,
	source VARCHAR(64) NOT NULL,
	external_id VARCHAR(200) NOT NULL,
	imported VARCHAR(80) NOT NULL,
	revision INTEGER NOT NULL,
	worst_alert INTEGER NOT NULL,
	acknowledged_at BIGINT NOT NULL,
	analysed_at BIGINT NOT NULL,
	recovered_at BIGINT NOT NULL,
	changed BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (tenant, number)
);
CREATE TABLE respond_links (
	id VARCHAR(36) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	value VARCHAR(512) NOT NULL,
	title TEXT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	time BIGINT NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (incident, kind, value),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_notes (
	id VARCHAR(36) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	time BIGINT NOT NULL,
	"by" VARCHAR(128) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	text TEXT NOT NULL,
	corrects VARCHAR(36) NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_notices (
	id VARCHAR(64) NOT NULL,
	hook VARCHAR(64) NOT NULL,
	approval VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	attempts INTEGER NOT NULL,
	due_at BIGINT NOT NULL,
	made_at BIGINT NOT NULL,
	ended_at BIGINT NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE respond_notifications (
	"key" VARCHAR(200) NOT NULL,
	time BIGINT NOT NULL,
	notification TEXT NOT NULL,
	PRIMARY KEY ("key")
);
CREATE TABLE respond_outbox (
	id VARCHAR(64) NOT NULL,
	recorder VARCHAR(64) NOT NULL,
	seq BIGINT NOT NULL,
	record BLOB NOT NULL,
	is_recorded BOOLEAN NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE respond_runs (
	id VARCHAR(36) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	playbook VARCHAR(64) NOT NULL,
	version INTEGER NOT NULL,
	hash VARCHAR(80) NOT NULL,
	state VARCHAR(16) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	begun_at BIGINT NOT NULL,
	finished_at BIGINT NOT NULL,
	document TEXT NOT NULL, plan_hash VARCHAR(80) DEFAULT '' NOT NULL, asked_by VARCHAR(160) DEFAULT '' NOT NULL, ending TEXT DEFAULT '' NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_steps (
	run VARCHAR(36) NOT NULL,
	step VARCHAR(80) NOT NULL,
	seq INTEGER NOT NULL,
	result TEXT NOT NULL,
	PRIMARY KEY (run, step),
	FOREIGN KEY(run) REFERENCES respond_runs (id)
);
CREATE TABLE respond_strands (
	run VARCHAR(36) NOT NULL,
	name VARCHAR(200) NOT NULL,
	gate VARCHAR(36) NOT NULL,
	outcome VARCHAR(16) NOT NULL,
	carrier VARCHAR(36) NOT NULL,
	is_begun BOOLEAN NOT NULL,
	PRIMARY KEY (run, name),
	FOREIGN KEY(run) REFERENCES respond_runs (id),
	FOREIGN KEY(gate) REFERENCES respond_gates (id)
);
CREATE TABLE respond_tasks (
	id VARCHAR(36) NOT NULL,
	incident VARCHAR(36) NOT NULL,
	title TEXT NOT NULL,
	lesson VARCHAR(36) NOT NULL,
	assignee VARCHAR(128) NOT NULL,
	due_at BIGINT NOT NULL,
	created_by VARCHAR(128) NOT NULL,
	created_at BIGINT NOT NULL,
	done_by VARCHAR(128) NOT NULL,
	done_at BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_texts (
	hash VARCHAR(80) NOT NULL,
	text TEXT NOT NULL,
	PRIMARY KEY (hash)
);
CREATE TABLE respond_timeline (
	seq INTEGER NOT NULL,
	incident VARCHAR(36) NOT NULL,
	time BIGINT NOT NULL,
	what TEXT NOT NULL,
	mark VARCHAR(16) NOT NULL,
	event VARCHAR(64) NOT NULL,
	writer VARCHAR(64) NOT NULL,
	"index" BIGINT NOT NULL,
	PRIMARY KEY (seq),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE respond_traits (
	incident VARCHAR(36) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	value VARCHAR(200) NOT NULL,
	PRIMARY KEY (incident, kind, value),
	FOREIGN KEY(incident) REFERENCES respond_incidents (id)
);
CREATE TABLE web_links (
	secret_hash VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	issued_by VARCHAR(128) NOT NULL,
	issued_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	used_at BIGINT, local BOOLEAN DEFAULT '0' NOT NULL,
	PRIMARY KEY (secret_hash)
);
CREATE TABLE web_sessions (
	secret_hash VARCHAR(64) NOT NULL,
	tenant VARCHAR(64) NOT NULL,
	name VARCHAR(64) NOT NULL,
	entered_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL, local BOOLEAN DEFAULT '0' NOT NULL,
	PRIMARY KEY (secret_hash)
);
CREATE INDEX detect_alerts_by_rule ON detect_alerts (tenant, rule, time);
CREATE INDEX detect_alerts_by_state ON detect_alerts (tenant, state, time);
CREATE INDEX detect_alerts_by_time ON detect_alerts (tenant, time);
CREATE INDEX gateway_values_news ON gateway_values (tenant, generation);
CREATE INDEX ix_deadman_pauses_ends_at ON deadman_pauses (ends_at);
CREATE INDEX ix_detect_assessments_alert ON detect_assessments (alert);
CREATE INDEX ix_detect_exceptions_tenant ON detect_exceptions (tenant);
CREATE INDEX ix_detect_hunt_runs_hunt ON detect_hunt_runs (hunt);
CREATE INDEX ix_detect_outbox_reader ON detect_outbox (reader);
CREATE INDEX ix_gateway_approvals_binding ON gateway_approvals (binding);
CREATE INDEX ix_gateway_approvals_state ON gateway_approvals (state);
CREATE INDEX ix_gateway_endings_begun_at ON gateway_endings (begun_at);
CREATE INDEX ix_oncall_escalations_number ON oncall_escalations (number);
CREATE INDEX ix_oncall_escalations_state ON oncall_escalations (state);
CREATE INDEX ix_oncall_handovers_rota ON oncall_handovers (rota);
CREATE INDEX ix_oncall_overrides_ends_at ON oncall_overrides (ends_at);
CREATE INDEX ix_oncall_pages_incident ON oncall_pages (incident);
CREATE INDEX ix_oncall_pages_made_at ON oncall_pages (made_at);
CREATE INDEX ix_oncall_pages_owes ON oncall_pages (owes);
CREATE INDEX ix_oncall_pages_person ON oncall_pages (person);
CREATE INDEX ix_oncall_pages_state ON oncall_pages (state);
CREATE INDEX ix_oncall_pages_thread ON oncall_pages (thread);
CREATE INDEX ix_operators_tokens_operator ON operators_tokens (operator);
CREATE INDEX ix_respond_alerts_incident ON respond_alerts (incident);
CREATE INDEX ix_respond_deliveries_incident ON respond_deliveries (incident);
CREATE INDEX ix_respond_deliveries_integration ON respond_deliveries (integration);
CREATE INDEX ix_respond_deliveries_state ON respond_deliveries (state);
CREATE INDEX ix_respond_effort_incident ON respond_effort (incident);
CREATE INDEX ix_respond_gates_carrier ON respond_gates (carrier);
CREATE INDEX ix_respond_gates_due_at ON respond_gates (due_at);
CREATE INDEX ix_respond_gates_is_taken ON respond_gates (is_taken);
CREATE INDEX ix_respond_gates_run ON respond_gates (run);
CREATE INDEX ix_respond_gates_state ON respond_gates (state);
CREATE INDEX ix_respond_heard_at ON respond_heard (at);
CREATE INDEX ix_respond_history_incident ON respond_history (incident);
CREATE INDEX ix_respond_incidents_number ON respond_incidents (number);
CREATE INDEX ix_respond_incidents_updated_at ON respond_incidents (updated_at);
CREATE INDEX ix_respond_links_incident ON respond_links (incident);
CREATE INDEX ix_respond_notes_incident ON respond_notes (incident);
CREATE INDEX ix_respond_notices_approval ON respond_notices (approval);
CREATE INDEX ix_respond_notices_state ON respond_notices (state);
CREATE INDEX ix_respond_notifications_time ON respond_notifications (time);
CREATE INDEX ix_respond_outbox_is_recorded ON respond_outbox (is_recorded);
CREATE INDEX ix_respond_outbox_seq ON respond_outbox (seq);
CREATE INDEX ix_respond_runs_incident ON respond_runs (incident);
CREATE INDEX ix_respond_runs_state ON respond_runs (state);
CREATE INDEX ix_respond_strands_carrier ON respond_strands (carrier);
CREATE INDEX ix_respond_strands_gate ON respond_strands (gate);
CREATE INDEX ix_respond_strands_is_begun ON respond_strands (is_begun);
CREATE INDEX ix_respond_tasks_incident ON respond_tasks (incident);
CREATE INDEX ix_respond_timeline_event ON respond_timeline (event);
CREATE INDEX ix_respond_timeline_incident ON respond_timeline (incident);
CREATE INDEX ix_web_links_expires_at ON web_links (expires_at);
CREATE INDEX ix_web_sessions_expires_at ON web_sessions (expires_at);
CREATE INDEX registry_definitions_by_fingerprint ON registry_definitions (tenant, fingerprint);
CREATE INDEX registry_pins_by_generation ON registry_pins (tenant, generation);
CREATE INDEX respond_incidents_by_assignee ON respond_incidents (tenant, assignee, opened_at);
CREATE INDEX respond_incidents_by_change ON respond_incidents (changed);
CREATE INDEX respond_incidents_by_external_id ON respond_incidents (external_id);
CREATE INDEX respond_incidents_by_group ON respond_incidents (tenant, "group", last_alert_at);
CREATE INDEX respond_incidents_by_merge ON respond_incidents (merged_into);
CREATE INDEX respond_incidents_by_opening ON respond_incidents (tenant, opened_at);
CREATE INDEX respond_incidents_by_status ON respond_incidents (tenant, status, opened_at);
CREATE INDEX respond_links_by_value ON respond_links (kind, value);
CREATE INDEX respond_outbox_by_recorder ON respond_outbox (recorder, is_recorded, seq);
CREATE INDEX respond_tasks_by_due ON respond_tasks (done_at, due_at);
CREATE INDEX respond_traits_by_value ON respond_traits (kind, value);
INSERT INTO alembic_version (version_num) VALUES ('0025');
