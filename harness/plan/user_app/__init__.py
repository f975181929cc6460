"""User apps: their OpenAPI documents, their answers, and the scenarios made from both."""
