// The lease container and the rights in an existing account. Nothing else of the account is changed.
param accountName string
param databaseName string

@description('The replicated containers: nobody gets a right on others.')
param containerNames array
param leaseDatabaseName string
param leaseContainerName string
param leaseThroughput int

@description('Object id of the app.')
param appId string

@description('Object id of whoever deploys and runs the hooks.')
param deployerId string

var dataReader = '00000000-0000-0000-0000-000000000001'
var dataContributor = '00000000-0000-0000-0000-000000000002'
var readings = flatten(map([appId, deployerId], id => map(containerNames, name => { id: id, container: name })))

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

resource leaseDatabase 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: leaseDatabaseName
  properties: {
    resource: { id: leaseDatabaseName }
  }
}

resource leases 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = {
  parent: leaseDatabase
  name: leaseContainerName
  properties: {
    resource: {
      id: leaseContainerName
      partitionKey: { paths: ['/id'], kind: 'Hash' }
      defaultTtl: -1 // locks of dead hosts expire, leases do not
    }
    options: leaseThroughput == 0 ? {} : { autoscaleSettings: { maxThroughput: leaseThroughput } }
  }
}

// Data-plane roles: not those of Microsoft.Authorization. Their scopes are spelled dbs and colls. One at a time: an account
// refuses a change while it makes another.
@batchSize(1)
resource readers 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [
  for reading in readings: {
    parent: account
    name: guid(account.id, reading.id, dataReader, databaseName, reading.container)
    properties: {
      roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataReader}'
      principalId: reading.id
      scope: '${account.id}/dbs/${databaseName}/colls/${reading.container}'
    }
    dependsOn: [leases]
  }
]

@batchSize(1)
resource contributors 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [
  for id in [appId, deployerId]: {
    parent: account
    name: guid(account.id, id, dataContributor, leaseDatabaseName, leaseContainerName)
    properties: {
      roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
      principalId: id
      scope: '${account.id}/dbs/${leaseDatabase.name}/colls/${leases.name}'
    }
    dependsOn: [readers]
  }
]

output accountId string = account.id
output endpoint string = account.properties.documentEndpoint
