// A server with Entra logins only. One change at a time: while it makes one, it refuses the next.
param name string
param location string
param tags object
param sku string

@description('What a new server of this size has.')
param maxConnections int
param databaseName string
param administratorId string
param administratorName string

@allowed(['User', 'ServicePrincipal'])
param administratorType string
param deployerAddress string
param private bool

var tiers = {
  B: 'Burstable'
  D: 'GeneralPurpose'
  E: 'MemoryOptimized'
}

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2025-08-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    tier: tiers[substring(sku, 9, 1)]
  }
  properties: {
    version: '17'
    storage: { storageSizeGB: 32, autoGrow: 'Enabled' }
    backup: { backupRetentionDays: 14, geoRedundantBackup: 'Disabled' }
    highAvailability: { mode: 'Disabled' }
    authConfig: {
      activeDirectoryAuth: 'Enabled'
      passwordAuth: 'Disabled'
      tenantId: tenant().tenantId
    }
    network: { publicNetworkAccess: private ? 'Disabled' : 'Enabled' }
  }
}

resource database 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2025-08-01' = {
  parent: server
  name: databaseName
  properties: { charset: 'UTF8', collation: 'en_US.utf8' }
}

// Otherwise the server's log quotes rows.
resource terse 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'log_error_verbosity'
  properties: { value: 'terse', source: 'user-override' }
  dependsOn: [database]
}

// Azure computes it when it makes the server, and leaves it when the size changes. A change needs a restart.
resource connections 'Microsoft.DBforPostgreSQL/flexibleServers/configurations@2025-08-01' = {
  parent: server
  name: 'max_connections'
  properties: { value: string(maxConnections), source: 'user-override' }
  dependsOn: [terse]
}

// These addresses mean: every service of Azure. The app's own are not known before.
resource azure 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!private) {
  parent: server
  name: 'azure'
  properties: { startIpAddress: '0.0.0.0', endIpAddress: '0.0.0.0' }
  dependsOn: [connections]
}

resource deployerRule 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules@2025-08-01' = if (!private && !empty(deployerAddress)) {
  parent: server
  name: 'deployer'
  properties: { startIpAddress: deployerAddress, endIpAddress: deployerAddress }
  dependsOn: [azure]
}

resource administrator 'Microsoft.DBforPostgreSQL/flexibleServers/administrators@2025-08-01' = {
  parent: server
  name: administratorId
  properties: {
    principalName: administratorName
    principalType: administratorType
    tenantId: tenant().tenantId
  }
  dependsOn: [deployerRule, connections]
}

output id string = server.id
output host string = server.properties.fullyQualifiedDomainName
