"""The embedded server: everything `interlock dev` starts, keeps alive and stops on one machine."""
