// Private endpoints, and the zones in which the network finds them.
param location string
param tags object
param networkId string
param subnetId string
param storageId string
param vaultId string
param cosmosId string

@description('Empty for a server that was not made here: whoever made it makes its endpoint.')
param postgresId string

var storageSuffix = environment().suffixes.storage
var endpoints = concat(
  [
    { group: 'blob', target: storageId, zone: 'privatelink.blob.${storageSuffix}' }
    { group: 'queue', target: storageId, zone: 'privatelink.queue.${storageSuffix}' }
    { group: 'table', target: storageId, zone: 'privatelink.table.${storageSuffix}' }
    { group: 'vault', target: vaultId, zone: 'privatelink.vaultcore.azure.net' }
    { group: 'Sql', target: cosmosId, zone: 'privatelink.documents.azure.com' }
  ],
  empty(postgresId)
    ? []
    : [{ group: 'postgresqlServer', target: postgresId, zone: 'privatelink.postgres.database.azure.com' }]
)

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for endpoint in endpoints: {
    name: endpoint.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (endpoint, i) in endpoints: {
    parent: zones[i]
    name: 'link-${endpoint.group}'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: networkId }
    }
  }
]

resource privates 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for endpoint in endpoints: {
    name: 'pe-${endpoint.group}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        {
          name: endpoint.group
          properties: {
            privateLinkServiceId: endpoint.target
            groupIds: [endpoint.group]
          }
        }
      ]
    }
  }
]

resource groups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (endpoint, i) in endpoints: {
    parent: privates[i]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.group
          properties: { privateDnsZoneId: zones[i].id }
        }
      ]
    }
  }
]
