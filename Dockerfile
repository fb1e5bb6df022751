# The demo and the command line, for machines with Docker and nothing else: `docker compose up --build`.
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY . .
RUN dotnet publish samples/FileIndex -c Release -o /app/demo \
 && dotnet publish src/Cli -c Release -o /app/jobs

# The SDK's image here too: what the demo indexes is the SDK's own folder.
FROM mcr.microsoft.com/dotnet/sdk:10.0
COPY --from=build /app /app
ENTRYPOINT ["dotnet"]
CMD ["/app/demo/FileIndex.dll", "demo"]
