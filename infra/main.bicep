// Everything that one deployment needs, around an existing Cosmos account. Never run on Azure.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('Name of the environment, in letters, digits and hyphens. Resources and leases are named after it.')
param environmentName string

@description('Region of all resources except the Cosmos account.')
param location string

@description('Name of the service principal that deploys: PostgreSQL knows its administrator by it. Empty if a person deploys.')
param principalName string = ''

@description('The existing account with the source database.')
param cosmosAccountName string

@description('Resource group of the Cosmos account.')
param cosmosResourceGroup string

@description('The database that holds the mapped containers.')
param cosmosDatabase string

@description('Database for the leases. It must not be the source database.')
param leaseDatabase string = 'MystiraCdc'

param leaseContainer string = 'leases'

@description('Highest autoscale throughput of the lease container; 0 for a serverless account.')
param leaseThroughput int = 1000

@description('Containers that are replicated only if they are named here, separated by commas, without spaces.')
param extraContainers string = ''

@description('Where a feed without leases starts: beginning, or an ISO time with its zone.')
param changeFeedStart string = 'beginning'

@allowed(['0', '1', '2', '3', 'cosmos_only', 'dual_write_cosmos_read', 'dual_write_postgres_read', 'postgres_only'])
@description('The phase of the app, by number or name. Each provision sets it.')
param migrationPhase string = 'dual_write_cosmos_read'

@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@minValue(1)
@maxValue(1000)
@description('How many instances each feed, the requests and the durable functions may have, besides those that are always ready. Some regions refuse less than 40.')
param maximumInstanceCount int = 40

@allowed(['3.11', '3.12', '3.13'])
@description('az functionapp list-flexconsumption-runtimes says which versions a region has.')
param pythonVersion string = '3.12'

@description('Host name of an existing PostgreSQL server with Entra logins. Empty: a server is made.')
param existingPostgresHost string = ''

@minValue(0)
@description('max_connections of the existing server, less the connections that the service keeps for itself.')
param existingPostgresConnections int = 0

param postgresDatabase string = 'mystiraapp'

@allowed([
  'Standard_B1ms'
  'Standard_B2s'
  'Standard_B2ms'
  'Standard_D2ds_v5'
  'Standard_D4ds_v5'
  'Standard_D8ds_v5'
  'Standard_E2ds_v5'
  'Standard_E4ds_v5'
  'Standard_E8ds_v5'
])
param postgresSku string = 'Standard_D2ds_v5'

@minValue(0)
@description('Connections to PostgreSQL that are kept for the application, for people and for tools.')
param otherPostgresConnections int = 50

@description('IPv4 address that may reach a server made here, so that the hooks can. Empty: only services of Azure may.')
param deployerAddress string = ''

@description('Puts storage, vault, PostgreSQL and Cosmos behind private endpoints. The hooks must then run inside the network.')
param vnetEnabled bool = false

@description('Who is told of alerts. Empty: the rules exist, and tell nobody.')
param alertEmail string = ''

@description('More settings of the app, by name. They replace those of the template.')
param extraSettings object = {}

// Microsoft's page of limits, less the connections that the service keeps for itself.
var reservedConnections = 15
var userConnections = {
  Standard_B1ms: 35
  Standard_B2s: 414
  Standard_B2ms: 844
  Standard_D2ds_v5: 844
  Standard_D4ds_v5: 1703
  Standard_D8ds_v5: 3422
  Standard_E2ds_v5: 1703
  Standard_E4ds_v5: 3422
  Standard_E8ds_v5: 4985
}

// One for each change feed: an app that has scaled to zero wakes up late.
var feeds = [
  { container: 'Accounts', function: 'change_feed_accounts', always: true }
  { container: 'UserProfiles', function: 'change_feed_user_profiles', always: true }
  { container: 'GameSessions', function: 'change_feed_game_sessions', always: true }
  { container: 'PlayerScenarioScores', function: 'change_feed_player_scenario_scores', always: true }
  { container: 'PendingSignups', function: 'change_feed_pending_signups', always: false }
  { container: 'Scenarios', function: 'change_feed_scenarios', always: false }
  { container: 'ContentBundles', function: 'change_feed_content_bundles', always: false }
  { container: 'Badges', function: 'change_feed_badges', always: false }
  { container: 'MediaAssets', function: 'change_feed_media_assets', always: false }
  { container: 'DataDeletionRequests', function: 'change_feed_data_deletion_requests', always: false }
]
var activeFeeds = filter(feeds, feed => feed.always || contains(split(extraContainers, ','), feed.container))

// Every feed, the timer, the requests and the durable functions scale alone. The limit is that of each of them, and those
// that are always ready come on top. The timer runs in one instance.
var instancesAtRest = length(activeFeeds) + 3
var instancesAtMost = (length(activeFeeds) + 2) * maximumInstanceCount + instancesAtRest

// An instance has work of one kind, so it opens a third of its pool: 2 connections of 6, 3 of 8. The timer has two kinds; the
// requests have nothing always ready. With fewer than 6, containers wait for each other.
var makesPostgres = empty(existingPostgresHost)
var serverConnections = makesPostgres ? userConnections[postgresSku] : existingPostgresConnections
var maxConnections = userConnections[postgresSku] + reservedConnections
var affordable = (serverConnections - otherPostgresConnections) / instancesAtMost
var leastPoolSize = affordable >= 2
  ? 6
  : fail('PostgreSQL is too small: ${instancesAtMost} instances with 2 connections each and ${otherPostgresConnections} others need ${instancesAtMost * 2 + otherPostgresConnections}, and it gives ${serverConnections}. Choose a larger postgresSku, correct existingPostgresConnections, or lower maximumInstanceCount.')
var poolSize = affordable >= 3 ? 8 : leastPoolSize

// Making the source database again would change it.
var ownLeaseDatabase = leaseDatabase == cosmosDatabase
  ? fail('leaseDatabase must be another database than cosmosDatabase, so that the leases have a throughput of their own.')
  : leaseDatabase

// The group of this deployment is deleted when it is taken down.
var sourceAccount = toLower(cosmosResourceGroup) == toLower('rg-${environmentName}')
  ? fail('The Cosmos account is in the resource group rg-${environmentName}, which belongs to this deployment and is deleted with it. Choose another environmentName.')
  : cosmosAccountName

var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

// Whoever deploys gets the rights that the hooks need. Only a person has a user principal name.
var userName = deployer().?userPrincipalName ?? ''
var deployerName = empty(principalName) ? userName : principalName
var administratorName = empty(deployerName)
  ? fail('A service principal deploys, and PostgreSQL must know its name: set AZURE_PRINCIPAL_NAME.')
  : deployerName
var administratorType = empty(userName) ? 'ServicePrincipal' : 'User'
var containers = map(activeFeeds, feed => feed.container)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-cdc-${resourceToken}'
    location: location
    tags: tags
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    token: resourceToken
    location: location
    tags: tags
    publisherId: identity.outputs.principalId
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: resourceToken
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    email: alertEmail
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-${resourceToken}'
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${resourceToken}'
    location: location
    tags: tags
    private: vnetEnabled
    ownerId: identity.outputs.principalId
  }
}

module vault 'app/vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-${resourceToken}'
    location: location
    tags: tags
    private: vnetEnabled
    readerId: identity.outputs.principalId
  }
}

module cosmos 'app/cosmos.bicep' = {
  name: 'cosmos-${resourceToken}'
  scope: resourceGroup(cosmosResourceGroup)
  params: {
    accountName: sourceAccount
    databaseName: cosmosDatabase
    containerNames: containers
    leaseDatabaseName: ownLeaseDatabase
    leaseContainerName: leaseContainer
    leaseThroughput: leaseThroughput
    appId: identity.outputs.principalId
    deployerId: deployer().objectId
  }
}

module postgres 'app/postgres.bicep' = if (makesPostgres) {
  name: 'postgres'
  scope: group
  params: {
    name: 'psql-${resourceToken}'
    location: location
    tags: tags
    sku: postgresSku
    maxConnections: maxConnections
    databaseName: postgresDatabase
    administratorId: deployer().objectId
    administratorName: administratorName
    administratorType: administratorType
    deployerAddress: deployerAddress
    private: vnetEnabled
  }
}

module endpoints 'app/endpoints.bicep' = if (vnetEnabled) {
  name: 'endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    networkId: network!.outputs.networkId
    subnetId: network!.outputs.endpointsSubnetId
    storageId: storage.outputs.id
    vaultId: vault.outputs.id
    cosmosId: cosmos.outputs.accountId
    postgresId: makesPostgres ? postgres!.outputs.id : ''
  }
}

var postgresHost = makesPostgres ? postgres!.outputs.host : existingPostgresHost

module app 'app/app.bicep' = {
  name: 'app'
  scope: group
  params: {
    name: 'func-cdc-${resourceToken}'
    location: location
    tags: union(tags, { 'azd-service-name': 'cdc' })
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    feedFunctions: map(activeFeeds, feed => feed.function)
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    insightsName: monitoring.outputs.insightsName
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    settings: union(
      {
        COSMOS_CONNECTION__accountEndpoint: cosmos.outputs.endpoint
        COSMOS_CONNECTION__credential: 'managedidentity'
        COSMOS_CONNECTION__clientId: identity.outputs.clientId
        COSMOS_DATABASE: cosmosDatabase
        LEASE_DATABASE: leaseDatabase
        LEASE_CONTAINER: leaseContainer
        LEASE_PREFIX: environmentName
        DURABLE_HUB: 'cdc${resourceToken}'
        IDENTITY_KEY: vault.outputs.identityKey
        POSTGRES_CONNECTION: 'host=${postgresHost} port=5432 dbname=${postgresDatabase} user=${identity.outputs.name}'
        POSTGRES_IDENTITY: identity.outputs.clientId
        POSTGRES_POOL_SIZE: string(poolSize)
        EXTRA_CONTAINERS: extraContainers
        CHANGE_FEED_START: changeFeedStart
        MIGRATION_PHASE: migrationPhase
        TELEMETRY_AZURE_MONITOR: 'true'
      },
      extraSettings
    )
  }
  dependsOn: [endpoints]
}

// The hooks read these.
output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = app.outputs.name
output AZURE_FUNCTION_APP_HOST string = app.outputs.host
output AZURE_CLIENT_ID string = identity.outputs.clientId
output AZURE_APP_PRINCIPAL_ID string = identity.outputs.principalId
output IDENTITY_NAME string = identity.outputs.name
output COSMOS_ACCOUNT_NAME string = cosmosAccountName
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint
output COSMOS_DATABASE string = cosmosDatabase
output LEASE_DATABASE string = leaseDatabase
output LEASE_CONTAINER string = leaseContainer
output POSTGRES_HOST string = postgresHost
output POSTGRES_DATABASE string = postgresDatabase
output POSTGRES_ROLE string = identity.outputs.name
output POSTGRES_ADMINISTRATOR string = makesPostgres ? administratorName : ''
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
output VAULT_NAME string = vault.outputs.name
