PYTHON ?= python3.11
BIN := .venv/bin
SOURCES := pyproject.toml constraints.txt $(shell find protos -type f)

.PHONY: demo serve test lint audit baseline bench-solver profile-solver fuzz-solver fuzz-rpc soak bench-every-slate bench-creatives bench-creatives-stress bench-creatives-bound bench-creatives-settings bench-creatives-new-element bench-ctr bench-attention bench-replay bench-events bench-overload bench-rank bench-decisions bench-model-switch bench-tracing bench-warm-up bench-delayed-feedback bench-kills bench-rolling-restart bench-simulation bench-fidelity bench-answerable bench-live bench-nas bench-supernet bench-nas-quality bench-ladder bench-nas-search bench-int8 clean

demo: .venv/learn.stamp
	$(BIN)/adranker demo --home var/demo --report var/demo/report.html

serve: .venv/learn.stamp
	$(BIN)/adranker init --home var/serve
	$(BIN)/adranker serve --home var/serve --with-learner

test: .venv/dev.stamp
	@$(BIN)/adranker warm-up >/dev/null  # or each of pytest's processes would compile on its own
	$(BIN)/pytest -n auto

lint: .venv/dev.stamp
	.ci/lint

audit: .venv/dev.stamp  # fails where nobody could be asked, too
	.ci/audit --required $(FLAGS)

baseline: .venv/dev.stamp  # after a release: what `buf breaking` compares with from then on
	$(BIN)/buf build protos --exclude-source-info -o protos/released.binpb

bench-solver: .venv/dev.stamp .venv/ortools.stamp
	$(BIN)/python -m benchmarks.solver --ortools-python .venv/ortools/bin/python --docs docs $(FLAGS)
profile-solver: .venv/dev.stamp
	$(BIN)/python -m benchmarks.solver_profile
fuzz-solver: .venv/dev.stamp
	$(BIN)/python -m benchmarks.solver_fuzz
fuzz-rpc: .venv/dev.stamp
	$(BIN)/python -m benchmarks.fuzz_rpc $(FLAGS)
soak: .venv/dev.stamp
	$(BIN)/python -m benchmarks.soak --part process $(FLAGS)
	$(BIN)/python -m benchmarks.soak --part grpc --requests 200000 $(FLAGS)
bench-every-slate: .venv/dev.stamp
	$(BIN)/python -m benchmarks.solver_every_slate
bench-creatives-stress: .venv/dev.stamp
	$(BIN)/python -m benchmarks.creatives_stress --data $(DATA)
bench-creatives: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.creatives --data $(DATA) --docs docs $(FLAGS)
	$(BIN)/python -m benchmarks.creatives_off_policy
bench-creatives-bound: .venv/dev.stamp
	$(BIN)/python -m benchmarks.creatives_bound --data $(DATA)
bench-creatives-settings: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.creatives_settings
bench-creatives-new-element: .venv/dev.stamp
	$(BIN)/python -m benchmarks.creatives_new_element
bench-ctr: .venv/dev.stamp
	$(BIN)/python -m benchmarks.ctr --data $(DATA)
bench-nas: .venv/dev.stamp
	$(BIN)/python -m benchmarks.nas_tables --table $(DATA)/nas_bench_201/nas_bench_201.npz --docs docs
bench-supernet: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.supernet $(FLAGS)
bench-int8: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.int8 $(FLAGS)
bench-ladder: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.ladder $(FLAGS)
bench-nas-quality: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.nas_quality $(if $(DATA),--data $(DATA)) $(FLAGS)
bench-nas-search: .venv/dev.stamp
	$(BIN)/python -m benchmarks.nas_search $(FLAGS)
bench-attention: .venv/dev.stamp
	$(BIN)/python -m benchmarks.attention --data $(DATA)
bench-replay: .venv/dev.stamp
	$(BIN)/python -m benchmarks.replay $(if $(DATA),--data $(DATA)) --docs docs $(FLAGS)
bench-events: .venv/dev.stamp
	$(BIN)/python -m benchmarks.events

bench-overload: .venv/dev.stamp
	$(BIN)/adranker init --home var/serve
	$(BIN)/python -m benchmarks.overload --home var/serve $(FLAGS)
bench-rank: .venv/dev.stamp
	$(BIN)/python -m benchmarks.rank
bench-decisions: .venv/dev.stamp
	$(BIN)/adranker init --home var/serve
	$(BIN)/python -m benchmarks.decisions --home var/serve
bench-model-switch: .venv/dev.stamp
	$(BIN)/python -m benchmarks.model_switch
bench-tracing: .venv/dev.stamp
	$(BIN)/python -m benchmarks.tracing $(FLAGS)
bench-warm-up: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.warm_up $(FLAGS)
bench-delayed-feedback: .venv/dev.stamp
	$(BIN)/python -m benchmarks.delayed_feedback
bench-kills: .venv/dev.stamp
	$(BIN)/adranker init --home var/serve
	$(BIN)/python -m benchmarks.kills --home var/serve --store sqlite
	$(BIN)/python -m benchmarks.kills --home var/serve --store postgres
	$(BIN)/python -m benchmarks.kills --home var/serve --store sqlite --bus --mean-seconds 4
bench-rolling-restart: .venv/dev.stamp
	$(BIN)/python -m benchmarks.rolling_restart $(FLAGS)
bench-simulation: .venv/dev.stamp
	$(BIN)/python -m benchmarks.simulation
bench-fidelity: .venv/dev.stamp
	$(BIN)/python -m benchmarks.simulation_fidelity --data $(DATA)
bench-answerable: .venv/dev.stamp
	$(BIN)/python -m benchmarks.replay_answerable
bench-live: .venv/dev.stamp
	$(BIN)/python -m benchmarks.simulation_live

clean:
	rm -rf .venv var ads build dist

.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is missing: install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "$(PYTHON) is not Python 3.11: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "Python's venv module is missing: on Debian, apt-get install python3.11-venv"; exit 1; }
	$(PYTHON) -m venv .venv

# The editable install runs the build hook, which generates the stubs. Python compiles what is imported when it is;
# compiling everything at once takes longer than the demo.
INSTALL := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable

.venv/learn.stamp: $(SOURCES) | .venv/bin/pip
	$(INSTALL) '.[learn]'
	@touch $@

.venv/dev.stamp: $(SOURCES) | .venv/bin/pip
	$(INSTALL) '.[learn,dev]'
	@touch $@ .venv/learn.stamp

# GLOP, for bench-solver: OR-Tools and highspy do not load into one process, nor agree on protobuf.
.venv/ortools.stamp: benchmarks/ortools-requirements.txt | .venv/bin/pip
	$(PYTHON) -m venv .venv/ortools
	.venv/ortools/bin/pip install --quiet --requirement $<
	@touch $@
