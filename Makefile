# Short names for what tools/ does.
.PHONY: try check build bench samples clean

try:        ## install into .venv and replay a sample
	tools/try
check:      ## everything that CI checks
	tools/check
build:      ## compile in place
	.venv/bin/python setup.py -q build_ext --inplace
bench:      ## benchmarks on captures that it makes itself
	.venv/bin/python -m benchmarks.run
samples:    ## record the sample captures again (root, Linux)
	python3 sample_pcaps/make.py
clean:      ## remove what was built
	rm -rf build dist .venv .venv-lowest *.egg-info
	find rustnet -name '*.so' -delete -o -name '*.c' -delete -o -name '*.mo' -delete
