// The rules and the workbook. Their files are made by `python -m infra.check --write`.
param token string
param location string
param tags object
param insightsId string
param email string

var rules = loadJsonContent('../monitoring/alerts.json')

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-cdc-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'cdc'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'cdc ${rule.name} ${token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'cdc: ${rule.name}'
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [insightsId]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      autoMitigate: true
      criteria: {
        allOf: [
          {
            query: rule.query
            metricMeasureColumn: rule.measure
            timeAggregation: rule.aggregation
            dimensions: rule.dimensions
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: empty(email) ? [] : [people.id]
      }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'cdc')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Cosmos to PostgreSQL'
    category: 'workbook'
    sourceId: insightsId
    serializedData: loadTextContent('../monitoring/workbook.json')
  }
}
