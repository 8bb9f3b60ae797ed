{
  description = "Keeps container images in a cache registry equal to their sources";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      lib = nixpkgs.lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      onEach = names: make: lib.genAttrs names (system: make nixpkgs.legacyPackages.${system});
      isLinux = lib.hasSuffix "-linux";
      version = (lib.importTOML ./Cargo.toml).workspace.package.version;

      program =
        pkgs:
        pkgs.rustPlatform.buildRustPackage {
          pname = "image-sync";
          inherit version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "--bin"
            "image-sync"
          ];
          # They start registries and NATS servers: scripts/test runs them.
          doCheck = false;
          postInstall = ''
            ln -s image-sync $out/bin/image-syncer
          '';
          meta = {
            description = "Keeps container images in a cache registry equal to their sources";
            license = [
              lib.licenses.mit
              lib.licenses.asl20
            ];
            mainProgram = "image-sync";
          };
        };

      # The same entrypoint, user, variables and paths as in the image of deploy/Dockerfile.
      image =
        pkgs:
        pkgs.dockerTools.buildLayeredImage {
          name = "image-sync";
          tag = version;
          contents = [ pkgs.dockerTools.caCertificates ];
          extraCommands = ''
            mkdir -p usr/local/bin etc/image-sync
            ln -s ${lib.getExe (program pkgs)} usr/local/bin/image-sync
            ln -s image-sync usr/local/bin/image-syncer
            mkdir -m 1777 tmp
          '';
          fakeRootCommands = ''
            mkdir -p var/lib/image-sync
            chown 65532:65532 var/lib/image-sync
          '';
          config = {
            Entrypoint = [ "image-sync" ];
            Cmd = [ "sync" ];
            Env = [
              "PATH=/usr/local/bin"
              "HOME=/var/lib/image-sync"
              "IMAGE_SYNC_STATE_DIR=/var/lib/image-sync"
            ];
            ExposedPorts."8080/tcp" = { };
            User = "65532:65532";
          };
        };
    in
    {
      packages = lib.recursiveUpdate (onEach systems (pkgs: { default = program pkgs; })) (
        onEach (lib.filter isLinux systems) (pkgs: { image = image pkgs; })
      );

      devShells = onEach systems (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (program pkgs) ];
          packages = [
            pkgs.clippy
            pkgs.rustfmt
            pkgs.nats-server
            pkgs.skopeo
          ];
        };
      });
    };
}
