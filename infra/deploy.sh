#!/usr/bin/env bash
# Deploy with the Azure CLI and the Core Tools alone, for who does not use azd. Never run on Azure.
#
#   az login
#   export AZURE_ENV_NAME=prod AZURE_LOCATION=northeurope
#   export COSMOS_ACCOUNT_NAME=... COSMOS_RESOURCE_GROUP=... COSMOS_DATABASE=...
#   infra/deploy.sh what-if     show what would change
#   infra/deploy.sh provision   create or change the resources
#   infra/deploy.sh publish     bring the database to this release, check, and publish
#   infra/deploy.sh verify      ask the app whether it is ready
#   infra/deploy.sh prove NAME  pause a container for ten minutes, and prove that retries hold
#   infra/deploy.sh cdc phase   run python -m cdc phase, or another command, on the deployment
#   infra/deploy.sh             provision, publish and verify
#
# infra/main.parameters.json names all variables. PYTHON names a Python with the packages of requirements.txt.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."

root=$PWD python=${PYTHON:-python3}
: "${AZURE_ENV_NAME:?names the environment}" "${AZURE_LOCATION:?names the region}"

deploy_resources() {
  parameters=$(mktemp)
  trap 'rm -f "$parameters"' EXIT
  "$python" infra/hooks/parameters.py >"$parameters"
  az deployment sub "$1" --name "cdc-$AZURE_ENV_NAME" --location "$AZURE_LOCATION" --template-file infra/main.bicep \
    --parameters "@$parameters"
}

# The hooks read the outputs, as azd gives them.
read_outputs() {
  outputs=$(az deployment sub show --name "cdc-$AZURE_ENV_NAME" --query properties.outputs --output json)
  while IFS=$'\t' read -r name value; do
    export "$name=$value"
  done < <("$python" -c '
import json, sys
for name, output in json.loads(sys.argv[1]).items():
    print(name.upper(), output["value"], sep="\t")' "$outputs")
}

publish() {
  read_outputs
  "$python" infra/hooks/predeploy.py
  func azure functionapp publish "$AZURE_FUNCTION_APP_NAME" --python
}

verify() {
  read_outputs
  "$python" infra/hooks/postdeploy.py
}

prove() {
  read_outputs
  "$python" infra/hooks/prove_retries.py "$@"
}

run_command() {
  read_outputs
  [[ $python != */* ]] || python=$(cd "$(dirname "$python")" && pwd)/${python##*/}
  cd "$here" # the command's own paths begin there
  "$python" "$root/infra/hooks/command.py" "$@"
}

case ${1:-all} in
  what-if) deploy_resources what-if ;;
  provision) deploy_resources create ;;
  publish) publish ;;
  verify) verify ;;
  prove) prove "${@:2}" ;;
  cdc) run_command "${@:2}" ;;
  all)
    deploy_resources create
    publish
    verify
    ;;
  *) echo "deploy.sh: what-if, provision, publish, verify, prove, cdc, or nothing" >&2 && exit 2 ;;
esac
