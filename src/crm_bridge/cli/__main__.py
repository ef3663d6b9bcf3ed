"""`python -m crm_bridge.cli`: the same as `crm-bridge`, for children that need no script on the path."""

from crm_bridge.cli import main

main(prog_name="crm-bridge")
