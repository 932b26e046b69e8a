"""The compiled core: link, network and transport headers, flow table, TCP analysis, stream reassembly.

Every module here is plain typed Python with a companion ``.pxd`` that gives the C types, so the same source also
runs uncompiled. Where C would wrap, the source masks, so both forms compute the same.
"""
