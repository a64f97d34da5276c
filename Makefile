# Each target sets up what it needs first; 'make help' lists targets and variables.

SCENARIO ?=
ROUNDS ?=
SEED ?=
POLICY ?=
ARGS ?=
TESTS ?=
CONFIG ?=
SEEDS ?=
RUN ?=
FIGURE ?=
export ROS_WHEELS PYTHON LEARNING

.DEFAULT_GOAL := help
.PHONY: help setup sim train evaluate reproduce test test-fast test-ros lint clean distclean

help:
	@echo "make sim     play the game over ROS 2, record and analyse it (see runs/)"
	@echo "               SCENARIO=base              scenario file, or name of one in config/"
	@echo "               ROUNDS=200                 rounds to play; 0: until Ctrl-C"
	@echo "               SEED=1                     seed of all random numbers"
	@echo "               POLICY=best_response       or equilibrium, greedy, random, learned"
	@echo "               ARGS='--help'              further arguments of 'veaat sim'"
	@echo "make train   train agents (adds PyTorch to the environment the first time; see runs/)"
	@echo "               CONFIG=base                training file, or name of one in config/train/"
	@echo "               SEEDS=1                    number of seeds, trained in parallel"
	@echo "               ARGS='--help'              further arguments of 'veaat train'"
	@echo "make evaluate  measure trained agents against the equilibrium"
	@echo "               RUN=runs/train-base        folder of 'make train', or a checkpoint in it"
	@echo "               ARGS='--help'              further arguments of 'veaat evaluate'"
	@echo "make reproduce  the paper's figures 3 to 10 and its claims, tested (see runs/reproduce/)"
	@echo "               FIGURE=3                   only what this figure needs"
	@echo "               ARGS=--smoke               tiny runs, two minutes; --help for more"
	@echo "make test    run the tests; with all of them also coverage"
	@echo "               TESTS='test/game -k demand'  only these (arguments of pytest)"
	@echo "make lint    check style and types (ruff, mypy)"
	@echo "make setup   set up or mend the environment, run nothing"
	@echo "               PYTHON=/path/to/python     make .venv with this Python (3.10 to 3.14)"
	@echo "               LEARNING=1                 with PyTorch"
	@echo "make clean   delete builds and caches; make distclean also .venv and the like"
	@echo "make help    this list"
	@echo
	@echo "Every target uses the ROS 2 that is sourced. Without one it installs wheels:"
	@echo "               ROS_WHEELS=jazzy|kilted    choose these wheels even if ROS 2 is sourced"
	@echo "'tools/run COMMAND' runs any command in the same environment."

setup:
	@tools/run

sim:
	@tools/run veaat sim $(if $(SCENARIO),'$(SCENARIO)') \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(POLICY),--policy $(POLICY)) $(ARGS)

# All of these need PyTorch, also where the command does not show it.
train evaluate reproduce test test-fast: export LEARNING = 1

train:
	@tools/run veaat train $(if $(CONFIG),'$(CONFIG)') $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

evaluate:
	@tools/run veaat evaluate $(if $(RUN),'$(RUN)') $(ARGS)

reproduce:
	@tools/run veaat reproduce $(if $(FIGURE),--figure '$(FIGURE)') $(ARGS)

ifeq ($(strip $(TESTS)),)
test: test-fast test-ros
else
test:
	@tools/run pytest $(TESTS)
endif

# Without ROS, in parallel; coverage of the layers that promise it.
test-fast:
	@tools/run pytest -m "not ros" -n auto --dist worksteal --cov --cov-report=
	@tools/run coverage report --include='veaat_migration/game/*'
	@tools/run coverage report --include='veaat_migration/protocol/*'

# Nodes over DDS, one test at a time. Only these folders: the others may need PyTorch.
test-ros:
	@tools/run pytest -m ros test/nodes test/ros

lint:
	@tools/run ruff check .
	@tools/run ruff format --check .
	@tools/run mypy

clean:
	rm -rf .ros/*/ build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find veaat_migration tools test launch benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-*
