"""ONC RPC and NFS."""
