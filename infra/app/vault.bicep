// The one secret that stays: the key that hashes identities of documents before anybody sees them.
param name string
param location string
param tags object
param private bool

@description('Object id of the app.')
param readerId string

@secure()
@description('Used once, when the vault is new: another key would change every fingerprint.')
param identityKey string = newGuid()

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
  }
}

@onlyIfNotExists()
resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'identity-key'
  properties: { value: identityKey }
}

resource reader 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, readerId, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: readerId
    principalType: 'ServicePrincipal'
  }
}

output id string = vault.id
output name string = vault.name
output identityKey string = '@Microsoft.KeyVault(VaultName=${vault.name};SecretName=${secret.name})'
