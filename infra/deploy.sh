#!/usr/bin/env bash
# Deploy with the Azure CLI and the Core Tools alone, for who does not use azd. Never run on Azure.
#
#   az login
#   export AZURE_ENV_NAME=prod AZURE_LOCATION=northeurope COSMOS_ACCOUNT_NAME=... COSMOS_RESOURCE_GROUP=... COSMOS_DATABASE=...
#   infra/deploy.sh what-if     shows what would change
#   infra/deploy.sh             creates, prepares, checks, publishes and verifies
#   infra/deploy.sh publish     the same without creating resources: for a new release
#
# All parameters: infra/main.parameters.json; a further argument is passed on, such as postgresSku=Standard_D4ds_v5.
# Needs the packages of requirements.txt in the Python that PYTHON names.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
action=all
case ${1:-} in
  what-if | publish) action=$1; shift ;;
esac
: "${AZURE_ENV_NAME:?names the environment}" "${AZURE_LOCATION:?names the region}"
deployment=cdc-$AZURE_ENV_NAME

if [ "$action" != publish ]; then
  : "${COSMOS_ACCOUNT_NAME:?}" "${COSMOS_RESOURCE_GROUP:?}" "${COSMOS_DATABASE:?}"
  command=create
  [ "$action" = what-if ] && command=what-if
  az deployment sub "$command" --name "$deployment" --location "$AZURE_LOCATION" --template-file infra/main.bicep \
    --parameters environmentName="$AZURE_ENV_NAME" location="$AZURE_LOCATION" \
    principalName="${AZURE_PRINCIPAL_NAME:-}" \
    cosmosAccountName="$COSMOS_ACCOUNT_NAME" cosmosResourceGroup="$COSMOS_RESOURCE_GROUP" \
    cosmosDatabase="$COSMOS_DATABASE" "$@"
  [ "$action" = what-if ] && exit
fi

# The hooks read the outputs as azd gives them.
while IFS=$'\t' read -r name value; do
  export "$name=$value"
done < <(az deployment sub show --name "$deployment" --query properties.outputs --output json \
  | "$python" -c 'import json, sys; [print(n.upper(), o["value"], sep="\t") for n, o in json.load(sys.stdin).items()]')

"$python" infra/hooks/predeploy.py
func azure functionapp publish "$AZURE_FUNCTION_APP_NAME" --python
"$python" infra/hooks/postdeploy.py
