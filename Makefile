# make demo          trains, draws, exports and verifies a spelling model   (about 7 minutes)
# make test          runs the linters, the type checker and the tests       (about 20 minutes)
# make test-slow     runs the longest tests, which make test leaves out
# make lint          runs the linters and the type checker
# make docs          builds the documentation, build/site; make docs-serve shows it
# make docs-test     looks for accessibility faults on every page, in Chromium
# make wheel         builds and checks the distributions, build/dist
# make wheel-test    tries the wheel in an empty environment and folder
# make bench         measures this library and others, each in an environment of its own
# make test-backends runs tests on JAX and on torch, in environments of their own
# make test-oldest   runs the tests of make test with the oldest versions that setup.cfg allows, on
#                    Python 3.10; make test-newest with the newest, on Python 3.13
# make web           builds pages that run models in the browser, and serves them here
# make web-test      tests such pages in Chromium, with Node           (about 6 minutes)
# make widget-test   uses the notebook widget in JupyterLab and Chromium, with Node (2 minutes)
# make test-beam     runs the tests of batch translation on Apache Beam and on Dask, in their own
#                    environment
# make test-serving  runs KServe's server, in its own environment, and asks it by our clients
# make compare-tfa   compares the results with those of tfa.seq2seq
# make g2p           trains the spelling model for 45 minutes
# make preset        trains, measures and stores the preset g2p_en           (half an hour)
# make translate     trains, measures and exports a translation model       (an hour);
#                    MODEL=transformer for a Transformer beside a recurrent model
# make caption       trains, measures and exports a captioning model        (an hour)
# make glimpses      trains a glimpse network and a CNN on cluttered digits (16 minutes)
# make sentiment     trains models on rated film sentences, measures which words they weigh
# make tagging       trains taggers of addresses and tweets, and sklearn-crfsuite on the same splits
# make questions     trains readers that find a name left out of a verse
# make any-model     trains, decodes and exports models as tutorials write them (20 minutes)
PYTHON ?= python3
BIN := .venv/bin
STARTED := $(shell date +%s)

.PHONY: demo test test-slow test-oldest test-newest test-backends test-beam test-serving web web-test widget-test precision artifact-precision gpu compare-tfa bench g2p preset translate caption glimpses sentiment tagging questions notebook docs docs-serve docs-test wheel wheel-test lint format large-vocabulary any-model clean

demo: .venv/installed
	$(BIN)/python export/demo.py build/demo --started $(STARTED)

test: .venv/installed lint
	$(BIN)/python -m pytest -q -n 2 --dist loadscope -m "not slow"

# The longest tests, so that make test ends within minutes.
test-slow: .venv/installed
	$(BIN)/python -m pytest -q -n 2 --dist loadscope -m slow

# With the oldest and the newest versions that setup.cfg allows, in environments of their own.
test-oldest test-newest: test-%:
	python=$$($(PYTHON) benchmarks/environments.py $*) && \
	    $$python -m pytest -q -p no:cacheprovider -n 2 --dist loadscope -m "not slow"

# What does not need TensorFlow, in environments without it: installed as the page says, and tested.
# The slow tests too, in hours: python tests/on_backends.py
test-backends:
	$(PYTHON) tests/on_install.py
	$(PYTHON) tests/on_backends.py -m "not slow"

# What needs Apache Beam, also on a Dask cluster of two worker processes.
test-beam: .venv/installed
	beam=$$($(BIN)/python benchmarks/environments.py beam) && \
	    $$beam -m pytest -q -p no:cacheprovider tests/batch

# A real server: KServe's in Python with our artifacts, asked by the clients of export/serving.
test-serving: .venv/installed
	$(BIN)/python benchmarks/environments.py kserve
	$(BIN)/python -m pytest -q tests/serving/test_kserve.py

# Trains in half precision, compiled and eagerly; writes benchmarks/results/precision.json.
precision: .venv/installed
	$(BIN)/python benchmarks/precision.py

# The conformance table and additive attention on the GPU of this machine, with JAX.
gpu:
	$(PYTHON) benchmarks/gpu.py

# What int8 and float16 artifacts lose and gain, of the preset and of the models of make translate,
# if present; writes benchmarks/results/artifact_precision.json.
artifact-precision: .venv/installed
	$(BIN)/python benchmarks/artifact_precision.py \
	    --translation $(wildcard build/translate build/translate-transformer)

# The preset's spelling model or that of make g2p or make demo, and the models of make translate
# and make caption where they are there, on 127.0.0.1.
web: .venv/installed
	$(BIN)/python export/serve_web.py build

# Needs Chromium, Node 20 and npm.
web-test: .venv/installed
	$(BIN)/python -m tests.web build/web-test

# Needs Chromium, Node 20 and npm. JupyterLab comes from an environment of its own.
widget-test: .venv/installed
	$(BIN)/python -m tests.widgets build/widget-test

g2p: .venv/installed
	$(BIN)/python export/train_g2p.py build/g2p --units 384 --num-encoder-layers 2 --dropout 0.2 \
	    --label-smoothing 0.1 --batch-size 128 --epochs 30 --learning-rate 0.002 --minutes 44

# The spelling model that the package carries; writes keras_attention/presets/g2p_en.
preset: .venv/installed
	$(BIN)/keras-attention train g2p build/preset --units 192 --num-encoder-layers 2 \
	    --dropout 0.15 --label-smoothing 0.1 --epochs 24 --learning-rate 0.003 --minutes 75
	$(BIN)/python benchmarks/preset.py build/preset

# English to French, with and without attention side by side; writes build/translate/report.json.
# A Transformer and the recurrent model: make translate MODEL=transformer, in
# build/translate-transformer.
MODEL ?= recurrent
translate: .venv/installed
	$(BIN)/python export/train_translation.py \
	    build/translate$(addprefix -,$(filter-out recurrent,$(MODEL))) --model $(MODEL)

# Captions of composed scenes, with soft, without and with hard attention; writes
# build/caption/report.json.
caption: .venv/installed
	$(BIN)/python export/train_captioner.py build/caption

# Digits in clutter: learned and random glimpses, and a CNN with as many weights; writes
# build/glimpses/report.json.
glimpses: .venv/installed
	$(BIN)/python export/train_glimpses.py build/glimpses

# Film sentences: attention over embeddings, over states, and the mean, two seeds each; writes
# build/sentiment/report.json.
sentiment: .venv/installed
	$(BIN)/python export/train_sentiment.py build/sentiment

# Addresses and tweets, with and without CRF and attention, against sklearn-crfsuite; writes
# build/tagging/report.json.
tagging: .venv/installed
	$(BIN)/python export/train_tagging.py build/tagging

# Names left out of verses, from the verses before: two seeds; writes build/questions/report.json.
questions: .venv/installed
	$(BIN)/python export/train_questions.py build/questions

# Writes build/bench/results.json and build/bench/table.md; fails if a claim does not hold.
bench: .venv/installed
	$(BIN)/python benchmarks/run.py

# In an environment of its own, with Python 3.9 to 3.11; fails if more than rounding differs.
compare-tfa: .venv/installed
	tfa=$$($(BIN)/python benchmarks/environments.py tfa) && \
	    $$tfa -W ignore benchmarks/compare_tfa/record.py build/compare-tfa/tfa.npz && \
	    $$tfa -W ignore benchmarks/compare_tfa/examples.py docs/migrating-from-tfa.md && \
	    $(BIN)/python -m benchmarks.compare_tfa.compare build/compare-tfa/tfa.npz \
	        --committed tests/fixtures/tfa.npz

# Runs the notebooks with the models of make g2p or make demo, and of make translate, if present.
notebook: .venv/installed
	$(BIN)/python notebooks/run.py

# Shows that the defaults train on a vocabulary of 8,000, and the effect of a tanh there.
large-vocabulary: .venv/installed
	$(BIN)/python benchmarks/large_vocabulary.py

# Keras models without a decoding loop of their own: how each is decoded, and whether its
# artifacts write the same; writes build/any-model/report.json.
any-model: .venv/installed
	$(BIN)/python -W ignore -m tests.any_model build/any-model

# Fails for a link that leads nowhere and a public name without a docstring.
docs:
	python=$$($(PYTHON) benchmarks/environments.py docs) && $$python -m mkdocs build

# Needs Chromium, Node 20 and npm.
docs-test: docs
	$(PYTHON) -m tests.docs build/site build/docs-test

docs-serve:
	python=$$($(PYTHON) benchmarks/environments.py docs) && $$python -m mkdocs serve

wheel:
	rm -rf build/dist build/lib build/bdist*
	python=$$($(PYTHON) benchmarks/environments.py wheel) && \
	    $$python -m build --outdir build/dist . && \
	    $$python -m twine check --strict build/dist/* && \
	    $$python -m check_wheel_contents build/dist/*.whl

wheel-test: wheel
	$(PYTHON) tests/on_wheel.py build/dist/*.whl

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf build .venv

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[development]'
	touch $@
